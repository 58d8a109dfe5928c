"""Back-pressure over real sockets: who waits for room is always woken, who makes progress is never given up."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import TransportLimits

from .helpers import RawClient, Recorder, Recorders, dial, listening, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.transport import Listener

pytestmark = pytest.mark.usefixtures("maker")

Identity = tuple[Path, Path]
KIB = 1 << 10


async def connected(listener: Listener, client: RawClient, server: Recorders) -> Recorder:
    await client.connected()
    client.send(b"hello")
    recorder = await server.first()
    await until(lambda: recorder.data)
    return recorder


async def test_everybody_who_is_told_to_wait_is_woken_again(identity: Identity) -> None:
    class Filler(Recorder):
        """Sends what it has as long as it may, and goes on when it is called."""

        left = 600 * KIB

        def received(self, data: bytes) -> None:
            super().received(data)
            self.writable()

        def writable(self) -> None:
            self.writable_calls += 1
            while self.left and self.connection.ready():
                self.connection.send(bytes(4 * KIB))
                self.left -= 4 * KIB

    handlers: list[Filler] = []

    def factory(connection: object) -> Filler:
        handlers.append(Filler(connection))  # type: ignore[arg-type]
        return handlers[-1]

    client = Recorders()
    limits = TransportLimits(high_water=16 * KIB, low_water=4 * KIB)
    async with listening(identity, factory, limits) as listener:
        connection = await dial(*listener.address, factory=client, insecure=True)
        connection.send(b"go")
        await until(lambda: len(client[0].data) == 600 * KIB)
        assert handlers[0].writable_calls > 10
        connection.close(0)
        await connection.wait_closed()


async def test_nobody_is_woken_before_the_peer_opened_its_stream(identity: Identity) -> None:
    server = Recorders()
    limits = TransportLimits(high_water=8 * KIB, low_water=2 * KIB)
    async with listening(identity, server, limits) as listener, RawClient(listener.address) as client:
        await client.connected()
        recorder = await server.first()
        recorder.connection.send(bytes(10 * KIB))
        assert not recorder.connection.ready()
        client.frames(b"\x01")
        for _ in range(10):
            await asyncio.sleep(0.005)
        assert recorder.writable_calls == 0
        client.send(b"hello")
        await client.received(10 * KIB)
        await until(lambda: recorder.writable_calls)
        assert recorder.connection.ready()


async def test_after_the_close_nothing_is_ready(identity: Identity) -> None:
    server = Recorders()
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        recorder = await connected(listener, client, server)
        recorder.connection.close(CloseCode.KICKED, "KICKED")
        assert not recorder.connection.ready()
        await client.closed()


async def test_what_was_sent_is_pending_or_acknowledged(identity: Identity) -> None:
    server = Recorders()
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        recorder = await connected(listener, client, server)
        connection, sent = recorder.connection, 0
        for size in (1, 5000, 70_000):
            connection.send(bytes(size))
            sent += size
            assert connection.pending + connection.progress == sent
        await client.received(sent)
        await until(lambda: connection.pending == 0)
        assert connection.progress == sent


async def slow_reader(limits: TransportLimits, identity: Identity, read: Callable[[RawClient], Awaitable[None]]) -> int:
    """Send 40 KiB to a client that takes 2 KiB whenever it reads; returns how the connection ended, -1 for not."""
    server = Recorders()
    async with (
        listening(identity, server, limits) as listener,
        RawClient(listener.address, max_stream_data=2 * KIB) as client,
    ):
        credit = 2 * KIB

        def grant() -> None:
            nonlocal credit
            credit += 2 * KIB
            client.quic._streams[0].max_stream_data_local = credit
            client.frames(b"\x11\x00" + (0x8000_0000 | credit).to_bytes(4, "big"))  # MAX_STREAM_DATA

        client.quic._write_stream_limits = lambda **_: None  # type: ignore[method-assign]
        client.grant = grant  # type: ignore[attr-defined]
        recorder = await connected(listener, client, server)
        recorder.connection.send(bytes(40 * KIB))
        await read(client)
        return recorder.ends[0][0] if recorder.ends else -1


async def test_a_peer_that_reads_slowly_is_no_slow_consumer(identity: Identity) -> None:
    """All of it takes several times as long as nothing at all may take."""
    limits = TransportLimits(high_water=1 * KIB, low_water=0, stall_timeout=1.0)

    async def read(client: RawClient) -> None:
        begun = monotonic()
        for had in range(2, 42, 2):
            await until(lambda had=had: len(client.data) >= min(had, 40) * KIB or client.close_seen)
            assert client.close_seen is None, f"closed after {len(client.data)} bytes"
            await asyncio.sleep(0.16)
            client.grant()  # type: ignore[attr-defined]
        assert monotonic() - begun > 3 * limits.stall_timeout

    assert await slow_reader(limits, identity, read) == -1


async def test_a_peer_that_stops_reading_half_way_is_a_slow_consumer(identity: Identity) -> None:
    limits = TransportLimits(high_water=1 * KIB, low_water=0, stall_timeout=0.4)

    async def read(client: RawClient) -> None:
        await until(lambda: len(client.data) >= 2 * KIB)
        client.grant()  # type: ignore[attr-defined]
        await until(lambda: len(client.data) >= 4 * KIB)
        begun = monotonic()
        await client.closed()
        assert monotonic() - begun > 0.25

    assert await slow_reader(limits, identity, read) == CloseCode.SLOW_CONSUMER


async def test_what_all_peers_leave_unacknowledged_is_bounded_and_the_largest_pay(identity: Identity) -> None:
    server = Recorders()
    limits = TransportLimits(backlog=1 << 20)
    async with listening(identity, server, limits) as listener, contextlib.AsyncExitStack() as stack:
        for number in range(6):
            client = await stack.enter_async_context(RawClient(listener.address, max_stream_data=8 * KIB))
            client.quic._write_stream_limits = lambda **_: None  # type: ignore[method-assign]
            await client.connected()
            client.send(b"hello")
            await until(lambda n=number: len(server) == n + 1 and server[n].data)  # type: ignore[misc]
            server[number].connection.send(bytes(300 * KIB))
            await asyncio.sleep(0)
            assert listener.unacknowledged <= limits.backlog
        honest = await stack.enter_async_context(RawClient(listener.address))
        await honest.connected()
        honest.send(b"hello")
        await until(lambda: len(server) == 7 and server[6].data)
        for number in range(1, 5):
            server[6].connection.send(bytes(200 * KIB))
            await honest.received(200 * KIB * number)
        assert 3 <= listener.given_up <= 4
        closed = [recorder for recorder in server if recorder.ends]
        assert len(closed) == listener.given_up
        for recorder in closed:
            code, reason, by_peer = recorder.ends[0]
            assert (code, by_peer) == (CloseCode.SLOW_CONSUMER, False)
            assert "unacknowledged" in reason
        assert not server[6].ends
