"""A gateway in the test's own loop, with real upstreams behind it and real clients before it."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization

from quicgw_fast import backend as backends
from quicgw_fast import config as configs
from quicgw_fast.gateway import Gateway
from tests.support import raw_client, toy_server, wire
from tests.support.raw_upstream import RawPusher, RawUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from quicgw_fast.codes import CloseCode
    from tests.support.parts import Parts
    from tests.support.raw_client import RawClient

PLENTY: dict[str, Any] = {"messages_per_second": 1e6, "message_burst": 1_000_000, "handshakes_per_second": 1e4}
"""Limits that no test meets by accident."""


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for localhost and its key as PEM files."""
    certificate, key = toy_server.certificate()
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


SERVICES = ("hello", "business", "zone")

WorldMaker = Callable[..., Awaitable["World"]]
"""Makes a world from tables of the configuration, ``await make_world(session={"timeout": 0.5})``."""


class World:
    """Everything around one gateway: ``hello``, ``business`` and ``zone`` upstreams, and a ``pusher``.

    ``sections`` are tables of the configuration, ``World(…, session={"timeout": 0.5})``. An upstream table of the
    test replaces the three addresses.
    """

    def __init__(self, parts: Parts, certificate: tuple[Path, Path], **sections: Mapping[str, Any]) -> None:
        self.parts = parts
        self.certificate = certificate
        self.sections = sections
        self.hello = RawUpstream("hello")
        self.business = RawUpstream("business")
        self.zone = RawUpstream("zone")
        self.gateway: Gateway
        self.pusher: RawPusher
        self._clients: list[RawClient] = []
        self._stack = contextlib.AsyncExitStack()

    # ---- life

    async def __aenter__(self) -> World:
        async with contextlib.AsyncExitStack() as stack:
            for upstream in (self.hello, self.business, self.zone):
                await stack.enter_async_context(upstream)
            self.gateway = Gateway(self._config(), engine=backends.load(self.parts.engine), dev=True)
            await self.gateway.start()
            stack.push_async_callback(self.gateway.stop)
            self.pusher = await stack.enter_async_context(RawPusher(self.gateway.addresses.grpc))
            stack.push_async_callback(self._leave)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _config(self) -> configs.Config:
        free, ends = "127.0.0.1:0", self.parts.tables
        tables: dict[str, dict[str, Any]] = {
            "server": {"quic": free, "grpc": free, "admin": free, **ends["server"]},
            "tls": dict(zip(("cert", "key"), self.certificate, strict=True)),
            "upstream": {**{name: [getattr(self, name).address] for name in SERVICES}, **ends["upstream"]},
            "limits": PLENTY,
            "processor": {"drain_timeout": 0.5},
        }
        for name, section in self.sections.items():
            tables[name] = {**(tables.get(name, {}) if name != "upstream" else ends[name]), **section}
        return configs.read(overrides=tables)

    async def _leave(self) -> None:
        for client in self._clients:
            await client.bury()

    # ---- clients

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect."""
        return configs.split_address(self.gateway.addresses.quic)

    async def connect(self, address: tuple[str, int] | None = None, **options: Any) -> RawClient:
        """Connect a client without a START; it is closed with the world."""
        client = await raw_client.connect(*(address or self.address), **options)
        self._clients.append(client)
        return client

    async def started(self, openid: str, **options: Any) -> RawClient:
        """Connect a client and START it."""
        client = await self.connect(**options)
        answer = await client.start(openid)
        assert answer.success, answer.error
        return client

    async def online(self, openid: str, **options: Any) -> RawClient:
        """Connect a client, START it and log it in."""
        client = await self.started(openid, **options)
        assert wire.business(await client.hello()).code == 200
        return client

    async def back(
        self, before: RawClient, last_acked: int, *, openid: str | None = None, by_session: bool = True
    ) -> RawClient:
        """Connect again for the session of an earlier client, by session id and epoch or by openid alone."""
        assert before.started is not None
        client = await self.connect()
        session = (before.started.connection_id, before.started.epoch) if by_session else ("", "")
        await client.start(openid or before.openid, "", last_acked, *session)
        client.next_seq, client.next_msg = before.next_seq, before.next_msg + 1
        return client

    async def resumed(self, before: RawClient, last_acked: int, **options: Any) -> RawClient:
        """Come back as :meth:`back` does; the session must continue."""
        client = await self.back(before, last_acked, **options)
        assert client.started is not None
        assert client.started.success, client.started.error
        assert client.started.resumed, f"reset: {client.started.reset_reason}"
        return client

    @contextlib.asynccontextmanager
    async def bystander(self, openid: str = "bystander", action: str = "echo") -> AsyncIterator[RawClient]:
        """Have another client at work that must notice nothing of what goes on in the block."""
        client = await self.online(openid)
        await client.call(action, data=b"before")
        count = len(client.log)
        yield client
        push = await client.call(action, data=b"after")
        assert wire.business(push).data == b"after"
        assert len(client.log) == count + 1, wire.describe_all(client.log)
        client.assert_gap_free()
        assert client.closed is None


async def assert_closed(client: RawClient, code: CloseCode, within: float = 20.0) -> str:
    """Wait for the close, check code and phrase (protocol §6), and return the phrase."""
    close = await client.wait_closed(within)
    said = f"{close}\n{wire.describe_all(client.log)}"
    assert client.closed is not None
    assert client.closed.application, f"closed by QUIC itself: {said}"
    assert close.code == code, said
    assert close.reason.startswith(code.name), said
    return close.reason
