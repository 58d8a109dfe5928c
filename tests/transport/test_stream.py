"""Bytes over the stream, in both directions, with stock clients and with our own."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
import uvloop

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import TransportLimits

from .helpers import RawClient, Recorders, dial, listening, until

pytestmark = pytest.mark.usefixtures("maker")

Identity = tuple[Path, Path]
KIB, MIB = 1 << 10, 1 << 20


async def echo_once(identity: Identity) -> None:
    server, client = Recorders(echo=True), Recorders()
    async with listening(identity, server) as listener:
        connection = await dial(*listener.address, factory=client, ca=identity[0])
        connection.send(b"ping")
        await until(lambda: client[0].data == b"ping")
        assert listener.connections == 1
        assert server[0].connection.peer.startswith("127.0.0.1:")
        connection.close(CloseCode.NORMAL, "NORMAL")
        await connection.wait_closed()
        assert await server[0].end() == (0, "NORMAL", True)
        assert client[0].ends == [(0, "NORMAL", False)]


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_echo_on_both_loops(identity: Identity, new_loop: object) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:  # type: ignore[arg-type]
        runner.run(echo_once(identity))


async def test_stock_client_echo(identity: Identity) -> None:
    server = Recorders(echo=True)
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        await client.connected()
        for number in range(20):
            client.send(b"message %d;" % number)
        expected = b"".join(b"message %d;" % number for number in range(20))
        assert await client.received(len(expected)) == expected


async def test_large_upload_and_download(identity: Identity) -> None:
    up = bytes(range(256)) * (8 * MIB // 256)
    down = b"down" * (MIB // 4)
    server = Recorders()
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        await client.connected()
        client.send(up)
        recorder = await server.first()
        await until(lambda: len(recorder.data) >= len(up), timeout=50)
        assert hashlib.sha256(recorder.data).digest() == hashlib.sha256(up).digest()
        recorder.connection.send(down)
        assert await client.received(len(down)) == down
        await until(lambda: recorder.connection.pending == 0)


async def test_large_transfer_between_our_own_ends(identity: Identity) -> None:
    server, client = Recorders(echo=True), Recorders()
    data = bytes(range(256)) * (2 * MIB // 256)
    async with listening(identity, server) as listener:
        connection = await dial(*listener.address, factory=client, insecure=True)
        connection.send(data)
        await until(lambda: len(client[0].data) == len(data), timeout=25)
        assert client[0].data == data
        await until(lambda: connection.pending == 0)
        connection.close(0)
        await connection.wait_closed()


async def test_fifty_clients_at_once(identity: Identity) -> None:
    server = Recorders(echo=True)
    async with listening(identity, server) as listener:

        async def one(number: int) -> None:
            handlers = Recorders()
            connection = await dial(*listener.address, factory=handlers, insecure=True)
            for turn in range(10):
                message = b"%d/%d" % (number, turn)
                connection.send(message)
                await until(lambda message=message: handlers[0].data.endswith(message))
            connection.close(0)
            await connection.wait_closed()
            assert handlers[0].data == b"".join(b"%d/%d" % (number, turn) for turn in range(10))

        await asyncio.gather(*(one(number) for number in range(50)))
        assert listener.counters.established == 50
        await until(lambda: listener.connections == 0)


async def test_sends_before_the_client_opened_its_stream_wait_for_it(identity: Identity) -> None:
    server = Recorders()
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        await client.connected()
        recorder = await server.first()
        recorder.connection.send(b"early ")
        recorder.connection.send(b"bird")
        assert recorder.connection.pending == 10
        client.send(b"hello")
        assert await client.received(10) == b"early bird"


async def test_writable_is_told_after_the_high_water_mark(identity: Identity) -> None:
    server = Recorders()
    limits = TransportLimits(high_water=64 * KIB, low_water=16 * KIB)
    async with listening(identity, server, limits) as listener, RawClient(listener.address) as client:
        await client.connected()
        client.send(b"hello")
        recorder = await server.first()
        await until(lambda: recorder.data)
        recorder.connection.send(bytes(200 * KIB))
        assert recorder.connection.pending == 200 * KIB
        await client.received(200 * KIB)
        await until(lambda: recorder.writable_calls == 1)
        assert recorder.connection.pending <= 16 * KIB
        recorder.connection.send(bytes(KIB))
        await client.received(201 * KIB)
        await until(lambda: recorder.connection.pending == 0)
        assert recorder.writable_calls == 1


async def test_a_peer_that_never_reads_is_a_slow_consumer(identity: Identity) -> None:
    server = Recorders()
    limits = TransportLimits(high_water=64 * KIB, low_water=16 * KIB, stall_timeout=1.0)
    async with (
        listening(identity, server, limits) as listener,
        # The window never opens again: what a client does that does not read.
        RawClient(listener.address, max_stream_data=8 * KIB) as client,
    ):
        client.quic._write_stream_limits = lambda **_: None  # type: ignore[method-assign]
        await client.connected()
        client.send(b"hello")
        recorder = await server.first()
        await until(lambda: recorder.data)
        recorder.connection.send(bytes(300 * KIB))
        await until(lambda: recorder.connection.progress)
        assert 290 * KIB < recorder.connection.pending <= 300 * KIB
        code, reason, by_peer = await recorder.end()
        assert (code, by_peer) == (CloseCode.SLOW_CONSUMER, False)
        assert reason.startswith("SLOW_CONSUMER: ")
        assert (await client.closed())[::2] == (CloseCode.SLOW_CONSUMER, reason)
        assert recorder.connection.pending == 0, "what nobody reads is kept"
