"""The end of connections: codes and reasons both ways, data before a close, lost closes, migration."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aioquic.buffer import encode_uint_var

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import TransportLimits
from quicgw_fast.transport.termination import Finding, Termination, end_of

from .helpers import RawClient, Recorder, Recorders, dial, listening, until

pytestmark = pytest.mark.usefixtures("maker")

Identity = tuple[Path, Path]
KIB = 1024


@pytest.mark.parametrize("code", list(CloseCode))
async def test_close_codes_to_the_client(identity: Identity, code: CloseCode) -> None:
    server = Recorders()
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        await client.connected()
        recorder = await server.first()
        phrase = code.phrase("because — äöü")
        recorder.connection.close(code, phrase)
        recorder.connection.close(CloseCode.INTERNAL, "only the first counts")
        assert recorder.connection.closed
        assert listener.connections == 0
        assert await client.closed() == (code, None, phrase)
        assert recorder.ends == [(code, phrase, False)]


@pytest.mark.parametrize(("code", "reason"), [(0, ""), (0x7777, "my\nown\x1b[1m"), (CloseCode.NORMAL, "bye")])
async def test_close_codes_from_the_client(identity: Identity, code: int, reason: str) -> None:
    server = Recorders()
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        await client.connected()
        recorder = await server.first()
        client.quic.send_stream_data(0, b"last words")
        client.transmit()
        client.quic.close(error_code=code, reason_phrase=reason)
        client.transmit()
        end = await recorder.end()
        assert end == (code, reason.replace("\n", "\\n").replace("\x1b", "\\x1b"), True)
        assert recorder.data == b"last words"
        recorder.connection.send(b"to nobody")
        recorder.connection.close(1, "nothing")
        await recorder.connection.wait_closed()
        assert len(recorder.ends) == 1


async def test_our_own_client_learns_code_and_reason(identity: Identity) -> None:
    server, client = Recorders(), Recorders()
    async with listening(identity, server) as listener:
        connection = await dial(*listener.address, factory=client, insecure=True)
        (await server.first()).connection.close(CloseCode.SUPERSEDED, "SUPERSEDED: newer connection")
        assert await client[0].end() == (CloseCode.SUPERSEDED, "SUPERSEDED: newer connection", True)
        await connection.wait_closed()


async def test_what_was_sent_before_the_close_arrives_before_it(identity: Identity) -> None:
    server = Recorders()
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        await client.connected()
        client.send(b"hello")
        recorder = await server.first()
        await until(lambda: recorder.data)
        recorder.connection.send(b"e" * 200 * KIB)  # far more than the first congestion window
        recorder.connection.close(CloseCode.AUTH_FAILED, "AUTH_FAILED")
        await asyncio.sleep(0)
        assert recorder.ends == [(CloseCode.AUTH_FAILED, "AUTH_FAILED", False)]
        assert (await client.closed())[0] == CloseCode.AUTH_FAILED
        assert len(client.data) == 200 * KIB
        assert len(recorder.data) == 5


async def test_send_and_close_inside_received_or_the_factory(identity: Identity) -> None:
    class Rude(Recorder):
        def received(self, data: bytes) -> None:
            super().received(data)
            self.connection.send(b"go away")
            self.connection.close(CloseCode.PROTOCOL_ERROR, "PROTOCOL_ERROR: first message")
            assert not self.ends, "closed() must not run inside received()"

    handlers: list[Rude] = []

    def factory(connection: object) -> Rude:
        handlers.append(Rude(connection))  # type: ignore[arg-type]
        return handlers[-1]

    async with listening(identity, factory) as listener, RawClient(listener.address) as client:
        await client.connected()
        client.send(b"one")
        client.send(b"two")
        assert (await client.closed())[0] == CloseCode.PROTOCOL_ERROR
        assert client.data == b"go away"
        assert handlers[0].ends == [(CloseCode.PROTOCOL_ERROR, "PROTOCOL_ERROR: first message", False)]

    def closing_factory(connection: object) -> Rude:
        handler = factory(connection)
        handler.connection.close(CloseCode.OVERLOADED, "OVERLOADED")
        return handler

    async with listening(identity, closing_factory) as listener, RawClient(listener.address) as client:
        assert (await client.closed())[0] == CloseCode.OVERLOADED
        assert handlers[1].ends == [(CloseCode.OVERLOADED, "OVERLOADED", False)]


async def test_a_close_does_not_wait_for_ever_for_a_peer_that_reads_nothing(identity: Identity) -> None:
    server = Recorders()
    limits = TransportLimits(linger=0.2)
    async with (
        listening(identity, server, limits) as listener,
        RawClient(listener.address, max_stream_data=8 * KIB) as client,
    ):
        client.quic._write_stream_limits = lambda **_: None  # type: ignore[method-assign]
        await client.connected()
        client.send(b"hello")
        recorder = await server.first()
        await until(lambda: recorder.data)
        recorder.connection.send(bytes(100 * KIB))
        recorder.connection.close(CloseCode.KICKED, "KICKED")
        assert (await client.closed())[0] == CloseCode.KICKED


async def test_a_close_does_not_wait_for_the_congestion_window(identity: Identity) -> None:
    """A closed connection takes no acknowledgements, so what does not leave at once would never leave (RFC 9002 §7)."""
    server = Recorders()
    async with (
        listening(identity, server) as listener,
        RawClient(listener.address, max_stream_data=KIB * KIB) as client,
    ):
        await client.connected()
        client.send(b"hello")
        recorder = await server.first()
        await until(lambda: recorder.data)
        deliver = client.quic.receive_datagram
        unheard: list[bytes] = []
        client.quic.receive_datagram = lambda data, *_, **__: unheard.append(data)  # type: ignore[method-assign]
        recorder.connection.send(bytes(512 * KIB))
        await until(lambda: sum(map(len, unheard)) > 8 * KIB)
        recorder.connection.close(CloseCode.KICKED, "KICKED", flush=False)
        client.quic.receive_datagram = deliver  # type: ignore[method-assign]
        client.send(b"anybody there?")
        assert (await client.closed())[0] == CloseCode.KICKED


async def test_a_lost_close_is_repeated(identity: Identity) -> None:
    server = Recorders()
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        await client.connected()
        recorder = await server.first()
        lost: list[bytes] = []
        deliver = client.quic.receive_datagram

        def lose_the_first(data: bytes, address: object, now: float) -> None:
            if recorder.connection.closed and not lost:
                lost.append(data)
            else:
                deliver(data, address, now=now)

        client.quic.receive_datagram = lose_the_first  # type: ignore[method-assign, assignment]
        recorder.connection.close(CloseCode.IDLE, "IDLE")
        assert (await client.closed())[0] == CloseCode.IDLE
        assert lost


async def test_listener_close_tells_every_client(identity: Identity) -> None:
    server = Recorders()
    async with listening(identity, server) as listener:
        clients = [RawClient(listener.address) for _ in range(5)]
        for client in clients:
            await client.__aenter__()
            await client.connected()
        await until(lambda: listener.connections == 5)
        await listener.close(CloseCode.DRAINING, "DRAINING: maintenance")
        for client in clients:
            assert await client.closed() == (CloseCode.DRAINING, None, "DRAINING: maintenance")
            await client.__aexit__()
        assert [recorder.ends for recorder in server] == [[(CloseCode.DRAINING, "DRAINING: maintenance", False)]] * 5
        await listener.close()  # a second time does nothing


async def test_idle_timeout(identity: Identity) -> None:
    server = Recorders()
    async with listening(identity, server, TransportLimits(idle_timeout=1.0)) as listener:
        client = RawClient(listener.address)
        async with client:
            await client.connected()
            recorder = await server.first()
            client.reading = False  # a client that has vanished without a word
            code, reason, by_peer = await recorder.end()
            assert (code, by_peer) == (CloseCode.IDLE, False)
            assert reason.startswith("IDLE: ")
            await until(lambda: listener.connections == 0)


async def test_the_connection_survives_a_change_of_the_client_port(identity: Identity, maker: str) -> None:
    """Quinn does not tell when it has validated an address, so each takes its 3 s."""
    moves = 3 if maker == "quinn" else 10
    server = Recorders(echo=True)
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        await client.connected()
        client.send(b"one;")
        await client.received(4)
        recorder = server[0]
        for turn in range(2, 2 + moves):
            before = recorder.connection.peer
            client.rebind()
            client.send(b"two;")
            await client.received(4 * turn)
            await until(lambda before=before: recorder.connection.peer != before)
            assert recorder.connection.peer.endswith(str(client.sock.getsockname()[1]))
        assert listener.connections == 1
        recorder.connection.close(0, "NORMAL")
        assert (await client.closed())[0] == 0


@pytest.mark.parametrize(
    ("ended", "code", "begins"),
    [
        (Termination(0x201, None, "IDLE: x", True), 0x201, "IDLE: x"),
        (Termination(0, 0, "", True), 0, "NORMAL: QUIC error 0x0"),
        (Termination(1, 6, "oops\n", True), CloseCode.INTERNAL, "INTERNAL: QUIC error 0x1 oops\\n"),
        (Termination(1, 0, "Idle timeout", False, Finding.NOTHING_HEARD), CloseCode.IDLE, "IDLE: "),
        (Termination(16, 0, "No validated network path", False), CloseCode.INTERNAL, "INTERNAL: "),
        (Termination(0x12A, 6, "bad", False), CloseCode.PROTOCOL_ERROR, "PROTOCOL_ERROR: QUIC error 0x12a bad"),
    ],
)
def test_how_ends_are_reported(ended: Termination, code: int, begins: str) -> None:
    result = end_of(ended)
    assert result[0] == code
    assert result[1].startswith(begins)


async def test_a_malformed_reason_is_no_problem(identity: Identity) -> None:
    server = Recorders()
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        await client.connected()
        recorder = await server.first()
        client.frames(b"\x1d" + encode_uint_var(5) + encode_uint_var(3) + b"\xff\xfe\xfd")
        assert await recorder.end() == (5, "", True)
