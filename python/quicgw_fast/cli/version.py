"""``quicgw version``, and ``--version``: which release, and what runs."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import NamedTuple

from quicgw_fast.cli import options

DISTRIBUTION = "quicgw-fast"


class Running(NamedTuple):
    """Which release, and what it runs on."""

    release: str
    engine: str
    transport: str
    upstream_client: str
    python: str


def running() -> Running:
    """Find out what runs; raises StartupError for a part that is wanted and not there."""
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
    return Running(number, backend.NAME, transport.NAME, client.NAME, platform.python_version())


def version_line() -> str:
    """Return version, what runs, and Python; raises StartupError as ``running`` does."""
    one = running()
    parts = f"engine {one.engine}, transport {one.transport}, upstream client {one.upstream_client}"
    return f"quicgw {one.release}, {parts}, Python {one.python}"


def version(json: options.JsonObject = False) -> None:
    """Show the version and what runs: engine, transport, upstream client, Python.

    What the environment asks for counts. Exit status 3: a part that it asks for was not built.
    """
    from quicgw_fast.cli.tables import say_document

    with options.failures_as_json(json):
        if json:
            say_document(running()._asdict())
        else:
            print(version_line())
