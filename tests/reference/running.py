"""A gateway that listens, for pages that are made of what one has once it is up."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from quicgw_fast.config import load
from quicgw_fast.demo.embedded import Certificate, embedded_gateway
from tests.support.directory_server import DirectoryServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quicgw_fast.config import Config
    from quicgw_fast.gateway import Gateway

    Flags = Mapping[str, Mapping[str, object]]

FREE = "127.0.0.1:0"


@contextmanager
def running(more: Flags | None = None) -> Iterator[tuple[asyncio.Runner, Gateway]]:
    """One on free ports of this machine, with ``more`` than the default configuration, and whoever runs its loop.

    With a table for the cluster there is a directory, too.
    """
    own: dict[str, Mapping[str, object]] = {"server": dict.fromkeys(("quic", "grpc", "admin"), FREE)}
    with ExitStack() as stack:
        tables = {**own, "log": {"level": "error"}, **(more or {})}
        if "cluster" in tables:
            server = DirectoryServer()
            server.start()
            stack.callback(server.close)
            tables["cluster"] = {**tables["cluster"], "url": server.url}
        with _embedded(load(overrides=tables)) as running:
            yield running


@contextmanager
def _embedded(config: Config) -> Iterator[tuple[asyncio.Runner, Gateway]]:
    with asyncio.Runner() as runner, Certificate() as certificate:
        context = embedded_gateway(config, certificate)
        gateway = runner.run(context.__aenter__())
        try:
            yield runner, gateway
        finally:
            runner.run(context.__aexit__(None, None, None))
