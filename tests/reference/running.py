"""A gateway that listens, for pages that are made of what one has once it is up."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from quicgw_fast.config import load
from quicgw_fast.demo.embedded import Certificate, embedded_gateway

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quicgw_fast.gateway import Gateway

    Flags = Mapping[str, Mapping[str, object]]

FREE = "127.0.0.1:0"


@contextmanager
def running(more: Flags | None = None) -> Iterator[tuple[asyncio.Runner, Gateway]]:
    """One on free ports of this machine, with ``more`` than the default configuration, and whoever runs its loop."""
    own = {"server": dict.fromkeys(("quic", "grpc", "admin"), FREE), "log": {"level": "error"}}
    config = load(overrides={**own, **(more or {})})
    with asyncio.Runner() as runner, Certificate() as certificate:
        context = embedded_gateway(config, certificate)
        gateway = runner.run(context.__aenter__())
        try:
            yield runner, gateway
        finally:
            runner.run(context.__aexit__(None, None, None))
