"""What ``--version`` says."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "quicgw-fast"


def version_line() -> str:
    """Return version, what runs, and Python; StartupError when the wanted engine is not there."""
    from quicgw_fast import backend
    from quicgw_fast.config import read

    try:
        number = version(DISTRIBUTION)
    except PackageNotFoundError:
        number = "(not installed)"
    config = read()
    parts = f"engine {backend.NAME}, transport {config.server.transport}, upstream client {config.upstream.client}"
    return f"quicgw {number}, {parts}, Python {platform.python_version()}"
