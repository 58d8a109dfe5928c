"""The directory of a cluster: whether it is there, lets this gateway in, and is new enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.cli.doctor.result import CheckResult, fine, refused
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.config import Config

CHECK = "directory"


def directory(config: Config) -> Iterator[CheckResult]:
    """Connect to it, where one is configured."""
    url = config.cluster.url
    if url is None:
        return
    try:
        from quicgw_fast.cluster.probe import probe

        server, took = probe(url)
    except StartupError as error:
        yield refused(CHECK, error)
        return
    yield fine(CHECK, f"{server.kind} {server.version} at {server.address}, connected to in {took * 1000:.1f} ms")
