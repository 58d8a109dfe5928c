"""What ``--version`` says."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "quicgw-fast"


def version_line() -> str:
    """Return version, engine, transport and Python; StartupError when the wanted engine is not there."""
    from quicgw_fast import backend
    from quicgw_fast.config import read

    try:
        number = version(DISTRIBUTION)
    except PackageNotFoundError:
        number = "(not installed)"
    transport = read().server.transport
    return f"quicgw {number}, engine {backend.NAME}, transport {transport}, Python {platform.python_version()}"
