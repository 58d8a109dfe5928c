"""A gateway in this process, for a test: in a thread of its own, on free ports of 127.0.0.1."""

from __future__ import annotations

from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import quicgw_fast
from quicgw_fast import sync
from quicgw_fast.client.io_thread import LoopThread
from quicgw_fast.config import read
from quicgw_fast.demo.embedded import Certificate
from quicgw_fast.gateway import Gateway
from quicgw_fast.testing.fake_upstream import FakeUpstream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    Settings = Mapping[str, Mapping[str, object]]

REGISTERED = 20.0
"""Seconds until the upstream is known to the gateway, on a busy machine."""
FREE_PORT = "127.0.0.1:0"


class LocalGateway:
    """A gateway that runs; made by `local_gateway`.

    ``settings`` are tables of the configuration, ``{"session": {"timeout": 3}}``, as in its file.
    """

    def __init__(self, upstream: FakeUpstream, certificate: Certificate, settings: Settings) -> None:
        self.upstream = upstream
        """What answers behind it."""
        self.ca: Path = certificate.path
        """The authority that clients have to trust: ``connect(ca=…)``."""
        self._settings = settings
        self._key = certificate.key
        self._thread = LoopThread("quicgw testing")
        self._running: tuple[Gateway, AsyncExitStack] | None = None
        self._ports = dict.fromkeys(("quic", "grpc", "admin"), FREE_PORT)

    @property
    def address(self) -> str:
        """Where clients connect, ``127.0.0.1:PORT``; the same after a restart."""
        return self._ports["quic"]

    @property
    def grpc(self) -> str:
        """Where services register and push."""
        return self._ports["grpc"]

    @property
    def admin(self) -> str:
        """Where its pages for operators are, ``/metrics`` among them."""
        return self._ports["admin"]

    def client(self, openid: str, **options: Any) -> quicgw_fast.Client:
        """Make a client; enter or await it to connect. ``options`` are those of `quicgw_fast.connect`."""
        return quicgw_fast.connect(self.address, openid=openid, **{"ca": self.ca, **options})

    def sync_client(self, openid: str, **options: Any) -> sync.Client:
        """Connect a client for tests without an event loop. ``options`` are those of `quicgw_fast.sync.connect`."""
        return sync.connect(self.address, openid=openid, **{"ca": self.ca, **options})

    def start(self) -> None:
        """Listen, and wait until the upstream is known. Raises StartupError, ConfigError for settings among them."""
        self._thread.wait(self._start())

    def stop(self) -> None:
        """Answer what was accepted, tell clients DRAINING, and close everything; harmless when it is stopped."""
        if self._running is not None:
            self._thread.wait(self._stop())

    def restart(self) -> None:
        """Stop, and start on the same ports: clients come back by themselves, in a new session (State.RESET)."""
        self.stop()
        self.start()

    def end(self) -> None:
        """Stop for good."""
        try:
            self.stop()
        finally:
            self._thread.end()

    async def _start(self) -> None:
        own: dict[str, dict[str, object]] = {
            "server": dict(self._ports),
            "tls": {"cert": str(self.ca)},
            "processor": {"drain_timeout": 1.0},
        }
        tables = {name: {**own.get(name, {}), **self._settings.get(name, {})} for name in {*own, *self._settings}}
        async with AsyncExitStack() as stack:
            gateway = await stack.enter_async_context(Gateway(read(overrides=tables), dev=True, tls_key=self._key))
            self._ports = asdict(gateway.addresses)
            service = await stack.enter_async_context(self.upstream.serving(gateway.addresses.grpc))
            await service.registered(REGISTERED)
            self._running = gateway, stack.pop_all()

    async def _stop(self) -> None:
        assert self._running is not None, "asked before"
        _, stack = self._running
        self._running = None
        await stack.aclose()


@contextmanager
def local_gateway(upstream: FakeUpstream | None = None, settings: Settings | None = None) -> Iterator[LocalGateway]:
    """Run a gateway while the context lasts, in front of ``upstream`` (None: one that lets everybody in).

    ::

        with local_gateway() as gateway:
            gateway.upstream.answer("echo", b"hi")
            with gateway.sync_client("alice") as client:
                assert client.call("echo").data == b"hi"

    ``settings`` are tables of the configuration, as in its file. Raises StartupError, and ConfigError for settings that
    cannot be used.
    """
    with ExitStack() as stack:
        certificate = stack.enter_context(Certificate())
        gateway = LocalGateway(FakeUpstream() if upstream is None else upstream, certificate, settings or {})
        stack.callback(gateway.end)
        gateway.start()
        yield gateway
