"""Clients that break the rules: each is closed, and the connection beside it notices nothing."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from aioquic.buffer import encode_uint_var
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicErrorCode
from aioquic.tls import Epoch

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import TransportLimits
from tests.support.gatekeeper import gatekeeper

from .helpers import RawClient, Recorder, Recorders, listening, offender_and_witness, stream_frame, until

pytestmark = pytest.mark.usefixtures("maker")

Identity = tuple[Path, Path]
var = encode_uint_var


@pytest.mark.parametrize("alpn", [["h3"], []], ids=["wrong", "none"])
async def test_alpn_is_mandatory(identity: Identity, alpn: list[str]) -> None:
    server = Recorders()
    async with listening(identity, server) as listener, RawClient(listener.address, alpn=alpn) as client:
        code, frame_type, _ = await client.closed()
        assert (code, frame_type is None) == (0x100 + 120, False)
        await until(lambda: listener.half_open == 0)
        assert not server


@pytest.mark.parametrize(
    "frames",
    [
        stream_frame(4, 0, b"second"),
        stream_frame(2, 0, b"unidirectional"),
        b"\x04" + var(4) + var(0) + var(0),  # RESET_STREAM of a second stream
    ],
    ids=["second", "unidirectional", "reset"],
)
async def test_one_bidirectional_stream_only(identity: Identity, frames: bytes) -> None:
    async with offender_and_witness(identity) as (_, offender, recorder):
        offender.frames(frames)
        code, frame_type, reason = await offender.closed()
        assert (code, frame_type) == (CloseCode.PROTOCOL_ERROR, None)
        assert reason.startswith("PROTOCOL_ERROR: ")
        assert "stream" in reason
        assert await recorder.end() == (code, reason, False)


async def test_stock_client_that_asks_for_a_second_stream(identity: Identity) -> None:
    async with offender_and_witness(identity) as (_, offender, _recorder):
        offender.send(b"more", stream=4)
        assert (await offender.closed())[0] == CloseCode.PROTOCOL_ERROR


async def test_an_old_streams_blocked_is_no_offence(identity: Identity) -> None:
    async with offender_and_witness(identity) as (listener, offender, _):
        offender.frames(b"\x16" + var(0) + b"\x01")
        offender.send(b" again")
        assert await offender.received(11) == b"hello again"
        assert listener.connections == 2


async def test_fin_ends_the_connection_after_its_data(identity: Identity) -> None:
    async with offender_and_witness(identity) as (_, offender, recorder):
        offender.send(b" and bye", fin=True)
        code, reason, by_peer = await recorder.end()
        assert (code, by_peer) == (0, True)
        assert reason.startswith("NORMAL: ")
        assert recorder.data == b"hello and bye"
        assert (await offender.closed())[0] == 0
        assert offender.data == b"hello and bye"


async def test_reset_and_stop_sending_end_the_connection(identity: Identity) -> None:
    async with offender_and_witness(identity) as (_, offender, recorder):
        offender.quic.reset_stream(0, 7)
        offender.transmit()
        assert (await recorder.end())[::2] == (0, True)
        assert "reset" in recorder.ends[0][1]
        assert (await offender.closed())[0] == 0
    async with offender_and_witness(identity) as (_, offender, recorder):
        offender.quic.stop_stream(0, 7)
        offender.transmit()
        assert (await recorder.end())[::2] == (0, True)
        recorder.connection.send(b"too late")
        assert (await offender.closed())[0] == 0


async def test_tls_data_without_end(identity: Identity) -> None:
    async with offender_and_witness(identity) as (_, offender, _recorder):
        offender.frames(b"\x06" + var(20_000) + var(4) + b"\x00" * 4)
        assert (await offender.closed())[0] == QuicErrorCode.CRYPTO_BUFFER_EXCEEDED


@pytest.mark.parametrize(
    "frames",
    [
        b"\x00\x40",
        b"\x21\x00\x00",
        b"\x0e" + var(0) + var(5) + var(100),
        b"\x1e\x00",
        b"\x18" + var(9) + var(10) + b"\x08" + bytes(24),
        b"\x19" + var(77),
        b"\x02" + var(3) + var(0) + var(2) + var(3) + var(0) + var(0),
        b"\x07\x01\x00\x00",
        b"\x31\x03abc",
        b"\x06" + var(0) + var(4) + b"\x01\x00\x00\x00",
    ],
    ids=[
        "half-a-frame-type",
        "unknown-frame",
        "cut-off-stream-frame",
        "handshake-done",
        "retire-more-than-issued",
        "retire-unknown-id",
        "ack-below-zero",
        "new-token",
        "datagram",
        "second-client-hello",
    ],
)
async def test_malformed_packets_end_their_connection_only(identity: Identity, frames: bytes) -> None:
    async with offender_and_witness(identity) as (_, offender, recorder):
        offender.frames(frames)
        code, frame_type, _ = await offender.closed()
        assert code != 0
        assert frame_type is not None
        assert (await recorder.end())[::2] == (CloseCode.PROTOCOL_ERROR, False)


async def test_path_challenge_flood_is_survived(identity: Identity) -> None:
    async with offender_and_witness(identity) as (listener, offender, _):
        for _ in range(20):
            offender.frames(b"".join(b"\x1a" + bytes((n,)) * 8 for n in range(100)))
        offender.send(b" again")
        assert await offender.received(11) == b"hello again"
        assert listener.connections == 2


async def test_answering_a_peer_that_has_just_stopped_reading(identity: Identity) -> None:
    async with offender_and_witness(identity) as (_, offender, recorder):
        offender.frames(stream_frame(0, 5, b" and more") + b"\x05" + var(0) + var(7))
        assert (await recorder.end())[::2] == (0, True)
        assert recorder.data == b"hello and more"
        assert (await offender.closed())[0] == 0


async def test_a_factory_that_fails_closes_its_connection(identity: Identity, caplog: pytest.LogCaptureFixture) -> None:
    def factory(_: object) -> Recorder:
        raise RuntimeError("no handler today")

    async with listening(identity, factory) as listener, RawClient(listener.address) as client:
        assert (await client.closed())[0] == CloseCode.INTERNAL
        assert listener.connections == 0
    assert "no handler today" in caplog.text


async def test_closed_that_fails_is_logged(identity: Identity, caplog: pytest.LogCaptureFixture) -> None:
    server = Recorders()
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        await client.connected()
        recorder = await server.first()

        def fail(*_: object) -> None:
            raise AssertionError("cannot say goodbye")

        recorder.closed = fail  # type: ignore[method-assign]
        recorder.connection.close(0, "NORMAL")
        await client.closed()
        await until(lambda: "cannot say goodbye" in caplog.text)
        await until(lambda: listener.connections == 0)


async def test_mutated_client_hellos(identity: Identity) -> None:
    rng = random.Random(11)
    limits, gate = TransportLimits(handshake_timeout=0.5), gatekeeper(retry_above=1000)
    async with offender_and_witness(identity, limits, gatekeeper=gate) as (listener, offender, _):
        for _ in range(150):
            offender.sock.sendto(mutated_client_hello(rng), offender.server)
            await asyncio.sleep(0)
        await until(lambda: listener.half_open == 0)
        assert listener.counters.accepted > 100
        offender.send(b" again")
        assert await offender.received(11) == b"hello again"


def mutated_client_hello(rng: random.Random) -> bytes:
    """A first packet that decrypts well and whose TLS message is damaged."""
    quic = QuicConnection(configuration=QuicConfiguration(alpn_protocols=["gatesvr"], server_name="example.org"))
    quic.connect(("192.0.2.1", 1), now=0.0)
    sender = quic._crypto_streams[Epoch.INITIAL].sender
    for _ in range(rng.randrange(1, 4)):
        sender._buffer[rng.randrange(4, len(sender._buffer))] = rng.randrange(256)
    return quic.datagrams_to_send(now=0.0)[0][0]
