"""``quicgw version``, and ``--version``: which release, and what runs."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

DISTRIBUTION = "quicgw-fast"


def version_line() -> str:
    """Return version, what runs, and Python; raises StartupError for a part that is wanted and not there."""
    from quicgw_fast import backend
    from quicgw_fast.config import read
    from quicgw_fast.transport import makers as transports
    from quicgw_fast.upstream import makers as upstreams

    try:
        number = version_of(DISTRIBUTION)
    except PackageNotFoundError:
        number = "(not installed)"
    config = read()
    transport, client = transports.load(config.server.transport), upstreams.load(config.upstream.client)
    parts = f"engine {backend.NAME}, transport {transport.NAME}, upstream client {client.NAME}"
    return f"quicgw {number}, {parts}, Python {platform.python_version()}"


def version() -> None:
    """Show the version and what runs: engine, transport, upstream client, Python.

    What the environment asks for counts. Exit status 3: a part that it asks for was not built.
    """
    print(version_line())
