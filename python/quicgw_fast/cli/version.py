"""What ``--version`` says."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "quicgw-fast"


def version_line() -> str:
    """Return version, engine and Python; StartupError when the wanted engine is not there."""
    from quicgw_fast import backend

    try:
        number = version(DISTRIBUTION)
    except PackageNotFoundError:
        number = "(not installed)"
    return f"quicgw {number}, engine {backend.NAME}, Python {platform.python_version()}"
