"""What only a look inside can show: connection ids, packet numbers, windows and faults of connections on aioquic."""

from __future__ import annotations

import socket
from collections import Counter
from pathlib import Path

import pytest
from aioquic.buffer import encode_uint_var
from aioquic.quic.packet import QuicErrorCode
from aioquic.tls import Epoch

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import TransportLimits
from quicgw_fast.transport.aioquic.refusal import refusal
from quicgw_fast.transport.packets import LongHeader, carries_token

from ..helpers import (
    HOST,
    MuteSocket,
    RawClient,
    Recorders,
    ack,
    dial,
    listen,
    listening,
    offender_and_witness,
    stream_frame,
    until,
)
from .inside import core_of, inside

Identity = tuple[Path, Path]
KIB, MIB = 1 << 10, 1 << 20
var = encode_uint_var


async def test_a_client_without_idle_timeout_is_kept(identity: Identity) -> None:
    async with (
        listening(identity, Recorders(echo=True)) as listener,
        RawClient(listener.address, idle_timeout=0.0) as client,
    ):
        client.quic._idle_timeout = lambda: 60.0  # type: ignore[method-assign]
        await client.connected()
        client.send(b"a")
        await client.received(1)
        core = core_of(next(iter(inside(listener)._open)))
        assert core._idle_timeout() == 60.0


async def test_late_packets_are_answered_with_the_close_ever_more_rarely(identity: Identity) -> None:
    server = Recorders()
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        await client.connected()
        recorder = await server.first()
        heard: list[bytes] = []
        client.quic.receive_datagram = lambda data, address, now: heard.append(data)  # type: ignore[method-assign, assignment, misc]
        recorder.connection.close(CloseCode.IDLE, "IDLE")
        await until(lambda: heard)
        for _ in range(40):
            client.frames(b"\x01")
        # 1 + 4 unasked copies, then for the 1st, 2nd, 4th, 8th, 16th and 32nd packet
        await until(lambda: not inside(listener)._endpoint.periods)
        assert 7 <= Counter(heard).most_common(1)[0][1] <= 11


async def test_sparse_frames_take_no_memory(identity: Identity) -> None:
    async with offender_and_witness(identity) as (_, offender, recorder):
        core = core_of(recorder.connection)
        window = recorder.connection._limits.stream_window
        for step in range(1, 12):
            offender.frames(stream_frame(0, 5 + step * (window // 16), b"x"))
        await until(lambda: len(core._streams[0].receiver._buffer) > window // 2)
        assert core._streams[0].max_stream_data_local <= 5 + window
        offender.frames(stream_frame(0, 5 + window + 1, b"x"))
        assert (await offender.closed())[0] == QuicErrorCode.FLOW_CONTROL_ERROR
        assert (await recorder.end())[::2] == (CloseCode.PROTOCOL_ERROR, False)
        assert len(core._streams[0].receiver._buffer) <= window


async def test_ack_of_a_packet_that_was_never_sent(identity: Identity) -> None:
    async with offender_and_witness(identity) as (_, offender, recorder):
        offender.frames(ack(core_of(recorder.connection)._packet_number + 5, 0))
        assert (await offender.closed())[0] == QuicErrorCode.PROTOCOL_VIOLATION
        assert "never sent" in recorder.ends[0][1]


async def test_optimistic_ack_of_a_skipped_packet_number(identity: Identity) -> None:
    async with offender_and_witness(identity) as (_, offender, recorder):
        core = core_of(recorder.connection)
        core.gw_next_skip = core._packet_number
        offender.reading = False  # an honest ACK would take the trap away
        offender.send(b"x")
        await until(lambda: core.gw_skipped is not None)
        largest = core._packet_number - 1
        offender.frames(ack(largest, largest - core.gw_skipped))
        await until(lambda: recorder.ends)
        assert "never sent" in recorder.ends[0][1]


async def test_a_forged_source_address_is_not_believed_before_it_is_validated(identity: Identity) -> None:
    """Who counts something against an address must not be led to a stranger's by one packet."""
    async with offender_and_witness(identity) as (listener, offender, recorder):
        own = "{}:{}".format(*offender.sock.getsockname())
        assert recorder.connection.peer == own
        victim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with victim:
            victim.bind(("127.0.0.3", 0))
            sends, offender.sock = offender.sock, victim
            offender.frames(stream_frame(0, 5, b" forged"))
            offender.sock = sends
            await until(lambda: recorder.data == b"hello forged")
            core = core_of(recorder.connection)
            assert core.get_peer_address() == victim.getsockname()
            assert recorder.connection.peer == own
            assert listener.connections == 2
        offender.rebind()  # a real move, which answers the challenge
        new = "{}:{}".format(*offender.sock.getsockname())
        offender.frames(stream_frame(0, 12, b" moved"))
        await until(lambda: recorder.connection.peer == new)
        assert recorder.data == b"hello forged moved"


async def test_connection_id_churn_keeps_the_routes_bounded(identity: Identity) -> None:
    async with offender_and_witness(identity) as (listener, offender, recorder):
        ids = len(inside(listener)._endpoint.receivers)
        core = core_of(recorder.connection)
        await until(lambda: offender.quic._peer_cid_available)
        for _ in range(40):
            old = offender.quic._peer_cid.cid
            offender.quic.change_connection_id()
            offender.transmit()
            await until(lambda old=old: old not in [cid.cid for cid in core._host_cids])
            await until(lambda: len(offender.quic._peer_cid_available) >= 6)
        assert len(inside(listener)._endpoint.receivers) == ids
        offender.send(b" again")
        assert await offender.received(11) == b"hello again"


async def test_a_fault_in_the_stack_or_the_handler_closes_one_connection(
    identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    async with offender_and_witness(identity) as (_, offender, recorder):

        def fail(*_: object) -> None:
            raise AssertionError("a hole")

        core_of(recorder.connection)._handle_ping_frame = fail  # type: ignore[method-assign]
        recorder.received = fail  # type: ignore[method-assign]
        offender.send(b"boom")
        code, _, reason = await offender.closed()
        assert code == CloseCode.INTERNAL
        assert reason.startswith("INTERNAL: ")
        assert (await recorder.end())[::2] == (CloseCode.INTERNAL, False)
        assert "a hole" in caplog.text


@pytest.mark.parametrize("broken", ["receive_datagram", "get_timer", "datagrams_to_send"])
async def test_a_broken_protocol_stack_closes_one_connection(
    identity: Identity, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with offender_and_witness(identity) as (listener, offender, recorder):

        def fail(*_: object, **__: object) -> None:
            raise AssertionError("a hole in the stack")

        setattr(core_of(recorder.connection), broken, fail)
        offender.send(b"boom")
        assert (await recorder.end())[::2] == (CloseCode.INTERNAL, False)
        recorder.connection._on_timer()
        await until(lambda: listener.connections == 1)
        if broken != "datagrams_to_send":
            assert (await offender.closed())[0] == CloseCode.INTERNAL
        else:
            offender.close_seen = (0, None, "it could not be told")
        assert "a hole in the stack" in caplog.text


async def test_an_unmatched_datagram_that_fails_is_survived(
    identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(identity, Recorders(echo=True)) as listener, RawClient(listener.address) as client:
        await client.connected()

        def fail(*_: object) -> None:
            raise AssertionError("a hole at the door")

        inside(listener)._endpoint._unmatched = fail
        client.sock.sendto(b"\x40" * 60, listener.address)
        client.send(b"hello")
        assert await client.received(5) == b"hello"
    assert "a hole at the door" in caplog.text


async def test_a_gateway_with_the_same_certificate_cannot_reset(identity: Identity) -> None:
    """Asked with the connection id of another one's live connection, it answers, and not with its token."""
    server, client = Recorders(echo=True), Recorders()
    certificate, key = identity
    first = await listen(HOST, 0, certificate=certificate, private_key=key, factory=server)
    second = await listen(HOST, 0, certificate=certificate, private_key=key, factory=server)
    connection = await dial(*first.address, factory=client, insecure=True)
    connection.send(b"hello")
    await until(lambda: client[0].data == b"hello")
    tokens = core_of(connection).peer_reset_tokens()
    assert len(tokens) > 1
    for cid in [core_of(connection)._peer_cid, *core_of(connection)._peer_cid_available]:
        with MuteSocket(second.address) as asking:
            asking.send(b"\x40" + cid.cid + bytes(60))
            answers: list[bytes] = []
            await until(lambda asking=asking, answers=answers: answers.extend(asking.answers()) or answers)
        assert not carries_token(answers[0], tokens)
    connection.close(0)
    await connection.wait_closed()
    await first.close()
    await second.close()


async def test_a_wrong_token_resets_nothing(identity: Identity) -> None:
    server, client = Recorders(echo=True), Recorders()
    async with listening(identity, server) as listener:
        connection = await dial(*listener.address, factory=client, insecure=True)
        recorder = await server.first()
        address = core_of(recorder.connection).get_peer_address()
        inside(listener)._endpoint.send(b"\x40" + bytes(40), address)
        connection.send(b"hello")
        await until(lambda: client[0].data == b"hello")
        assert not client[0].ends
        connection.close(0)
        await connection.wait_closed()


def test_a_refusal_is_shorter_than_the_first_packet() -> None:
    for version in (1, 0x6B3343CF):
        answer = refusal(LongHeader(version, bytes(20), bytes(20)), QuicErrorCode.CONNECTION_REFUSED)
        assert len(answer) < 200


async def test_keys_are_updated_and_packet_numbers_skipped(identity: Identity) -> None:
    server = Recorders(echo=True)
    limits = TransportLimits(rekey_after=40)
    async with listening(identity, server, limits) as listener, RawClient(listener.address) as client:
        await client.connected()
        secrets, skips = set(), set()
        for turn in range(1, 601):
            client.send(b"%4d" % turn)
            await client.received(4 * turn)
            core = core_of(server[0].connection)
            secrets.add(core._cryptos[Epoch.ONE_RTT].send.secret)
            skips.add(core.gw_next_skip)
        assert len(secrets) >= 600 // 40 - 1
        assert len(skips) >= 2
        assert client.close_seen is None
