from __future__ import annotations

import asyncio
from functools import partial

import pytest

from quicgw_fast import completions
from quicgw_fast.upstream import causes
from quicgw_fast.upstream.native.connection import KeepAlive, NativeConnection
from quicgw_fast.upstream.native.dialling import dial
from quicgw_fast.upstream.native.failures import ConnectionBroken, NotConnected
from tests.support import strangers
from tests.support.raw_http2 import ACK, PING, Http2Frame, Http2Peer, RawHttp2


async def call(connection: NativeConnection) -> bytes:
    deadline = asyncio.get_running_loop().time() + 10.0
    return await completions.result(partial(connection.begin, b"", deadline))


async def test_a_service_that_is_silent_with_calls_under_way_is_gone() -> None:
    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        """Say nothing, as a host that vanished."""

    async with RawHttp2(script) as service:
        connection = await dial(service.address, KeepAlive(after=0.1, within=0.1))
        with pytest.raises(ConnectionBroken, match="no sign of life"):
            await call(connection)
        assert connection.left.done()
        await connection.closed


async def test_a_service_that_answers_pings_may_take_its_time() -> None:
    pings = 0

    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        nonlocal pings
        if frame.kind == PING:
            peer.send(PING, ACK, 0, frame.payload)
            pings += 1
            if pings == 2:
                peer.answer(1, b"late")

    async with RawHttp2(script) as service:
        connection = await dial(service.address, KeepAlive(after=0.02, within=0.5))
        assert await call(connection) == b"late"
        connection.hang_up()
        await connection.closed


async def test_nobody_is_pinged_without_a_call() -> None:
    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        """Say nothing."""

    async with RawHttp2(script) as service:
        connection = await dial(service.address, KeepAlive(after=0.02, within=0.02))
        await asyncio.sleep(0.2)
        assert not service.of(PING)
        assert not connection.left.done()
        connection.hang_up()
        await connection.closed


async def test_a_name_is_tried_at_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        """Say nothing."""

    async with RawHttp2(script) as service:
        loop = asyncio.get_running_loop()
        host, _, port = service.address.rpartition(":")
        real = await loop.getaddrinfo(host, 0)

        async def two(*_: object, **__: object) -> list[object]:
            (family, *rest) = real[0]
            return [(family, *rest[:-1], ("127.0.0.2", 0)), real[0]]

        monkeypatch.setattr(loop, "getaddrinfo", two)
        connection = await dial(f"some-name:{port}")
        connection.hang_up()
        await connection.closed


@pytest.mark.parametrize(
    ("greeting", "cause"),
    [
        (b"", causes.BROKE_OFF),
        (b"\0\0\0\4\0", causes.BROKE_OFF),
        (b"\0\0\0\6\0\0\0\0\0", causes.NO_GRPC),
        (b"nonsense that is long enough", causes.NO_GRPC),
    ],
)
async def test_who_does_not_greet_in_http2_is_told(greeting: bytes, cause: str) -> None:
    with strangers.foreigner(greeting) as address, pytest.raises(NotConnected) as caught:
        await dial(address)
    assert caught.value.cause == cause


async def test_giving_up_leaves_nothing() -> None:
    with strangers.silent() as address:
        task = asyncio.create_task(dial(address))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
