"""What peers do that is not forbidden, or hard to see, and would cost a gateway dearly that believes them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from time import monotonic

import pytest
from aioquic.buffer import encode_uint_var as var
from aioquic.quic.packet import QuicErrorCode
from aioquic.tls import Epoch

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import TransportLimits
from tests.support.usual import Watch

from .helpers import RawClient, Recorders, ack, listening, offender_and_witness, stream_frame, until

pytestmark = pytest.mark.usefixtures("maker")

Identity = tuple[Path, Path]
MIB = 1 << 20


def new_connection_id(number: int) -> bytes:
    """A NEW_CONNECTION_ID frame that retires all ids before it (RFC 9000 §19.15)."""
    name = number.to_bytes(8, "big")
    return b"\x18" + var(number) + var(number) + b"\x08" + name + 2 * name


def memory() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_data_far_ahead_opens_no_window(identity: Identity) -> None:
    """The window grows with what was delivered, and not with what was sent beyond a hole."""
    limits = TransportLimits()
    async with offender_and_witness(identity, limits) as (_, offender, recorder):
        before = memory()
        for step in range(1, 12):
            offender.frames(stream_frame(0, 5 + step * (limits.stream_window // 16), b"x"))
        offender.frames(stream_frame(0, 5 + limits.stream_window + 1, b"x"))
        assert (await offender.closed())[0] == QuicErrorCode.FLOW_CONTROL_ERROR
        assert (await recorder.end())[::2] == (CloseCode.PROTOCOL_ERROR, False)
        assert memory() - before < 8 * MIB


async def test_an_ack_of_what_was_never_sent(identity: Identity) -> None:
    async with offender_and_witness(identity) as (_, offender, recorder):
        offender.frames(ack(100_000, 0))
        assert (await offender.closed())[0] == QuicErrorCode.PROTOCOL_VIOLATION
        assert (await recorder.end())[::2] == (CloseCode.PROTOCOL_ERROR, False)


async def test_who_acknowledges_packets_unseen_is_caught(identity: Identity) -> None:
    """An optimistic ACK makes a sender send faster than the way allows: some packet numbers are never used."""
    async with offender_and_witness(identity) as (_, offender, recorder):
        offender.reading = False  # an honest ACK tells what did not come
        space = offender.quic._spaces[Epoch.ONE_RTT]
        for step in range(3000):
            if offender.close_seen:
                break
            before = len(offender.data)
            offender.frames(stream_frame(0, 5 + step, b"x"))
            await until(lambda before=before: len(offender.data) > before or offender.close_seen)
            largest = space.largest_received_packet
            offender.frames(ack(largest, largest))
        assert (await offender.closed())[0] == QuicErrorCode.PROTOCOL_VIOLATION
        assert (await recorder.end())[::2] == (CloseCode.PROTOCOL_ERROR, False)


async def test_an_address_is_not_believed_before_it_is_validated(identity: Identity) -> None:
    """Who counts something against an address must not be led to somebody else's by one packet."""
    limits = TransportLimits()
    # What counts for the most that a datagram can, this often, is just what a peer may use without moving any data.
    # More often, the packet that moves may be dropped unread, and it is sent only once.
    pace = limits.cpu_per_datagram / limits.cpu_share
    async with offender_and_witness(identity, limits) as (listener, offender, recorder):
        own = "{}:{}".format(*offender.sock.getsockname())
        assert recorder.connection.peer == own
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
            victim.bind(("127.0.0.3", 0))
            offender.frames(stream_frame(0, 5, b" forged"), by=victim)
            await until(lambda: recorder.data == b"hello forged")
            asked = monotonic()
            while monotonic() - asked < 1.0:
                assert recorder.connection.peer == own
                offender.frames(b"\x01")  # which came from its own address again
                await asyncio.sleep(pace)
        assert listener.counters.unread == 0
        offender.rebind()  # a real move, which answers the challenge
        new = "{}:{}".format(*offender.sock.getsockname())
        offender.frames(stream_frame(0, 12, b" moved"))
        await until(lambda: recorder.connection.peer == new)
        assert recorder.data == b"hello forged moved"
        assert listener.connections == 2


async def test_a_peer_that_changes_its_connection_id_for_ever(identity: Identity) -> None:
    async with offender_and_witness(identity) as (listener, offender, _):
        for number in range(40):
            await until(lambda: offender.quic._peer_cid_available)
            offender.quic.change_connection_id()
            offender.send(b"%2d" % number)
            await offender.received(5 + 2 * (number + 1))
        assert listener.connections == 2


async def test_a_peer_that_makes_us_retire_its_ids_and_acknowledges_nothing(identity: Identity) -> None:
    """Each is to be answered with a frame that is kept until it is acknowledged: their number has a bound."""
    async with offender_and_witness(identity) as (_, offender, recorder):
        offender.reading = False
        before = memory()
        for first in range(8, 8000, 20):
            offender.frames(b"".join(new_connection_id(number) for number in range(first, first + 20)))
            await asyncio.sleep(0)
        code, reason, by_peer = await recorder.end()
        assert (code, by_peer) == (CloseCode.PROTOCOL_ERROR, False)
        assert "retired" in reason
        assert memory() - before < 16 * MIB
        offender.close_seen = (QuicErrorCode.CONNECTION_ID_LIMIT_ERROR, None, "told to an id that it never had")


async def test_a_peer_that_used_up_its_time_is_not_read_and_others_are(identity: Identity) -> None:
    watch = Watch()
    limits = TransportLimits(cpu_share=0.01, cpu_burst=0.003)
    async with offender_and_witness(identity, limits, observer=watch) as (listener, offender, _):
        for _ in range(2000):
            for _ in range(20):
                offender.frames(b"\x01" * 100)
            await asyncio.sleep(0)
            if listener.counters.unread:
                break
        assert listener.counters.unread
        assert watch.throttled
        assert offender.close_seen is None


async def test_peers_that_only_keep_us_busy_have_one_share_together(identity: Identity) -> None:
    """Ten of them with a twentieth each would be half of a processor; who moves data is not stopped with them."""
    limits = TransportLimits(cpu_common_share=1e-9, cpu_common_burst=1e-3)
    server = Recorders(echo=True)
    async with (
        listening(identity, server, limits) as listener,
        RawClient(listener.address) as witness,
        contextlib.AsyncExitStack() as stack,
    ):
        await witness.connected()
        witness.send(b"hello")
        await witness.received(5)
        many = [await stack.enter_async_context(RawClient(listener.address)) for _ in range(10)]
        for client in many:
            await client.connected()
        for _ in range(2000):
            for client in many:
                client.frames(b"\x01" * 100)
            await asyncio.sleep(0)
            if listener.counters.unread > 100:
                break
        assert listener.counters.unread > 100
        for count in range(50):
            witness.send(b" again")
            await witness.received(5 + 6 * (count + 1))


async def test_honest_bulk_is_not_slowed_down(identity: Identity) -> None:
    """Even with nothing but what a transfer earns: not one datagram of 4 MB each way is dropped."""
    server = Recorders(echo=True)
    limits = TransportLimits(cpu_share=1e-6)
    async with listening(identity, server, limits) as listener, RawClient(listener.address) as client:
        await client.connected()
        client.send(bytes(4 << 20))
        await client.received(4 << 20)
        assert listener.counters.unread == 0


async def test_a_long_datagram_is_not_read(identity: Identity) -> None:
    async with offender_and_witness(identity) as (listener, offender, _):
        parameters = [data for kind, data in offender.quic.tls.received_extensions or [] if kind == 0x39]
        assert b"\x03\x02" + var(2048) in parameters[0]
        for size in (2048, 65_000):
            offender.sock.sendto(b"\x40" + bytes(size), listener.address)
        offender.send(b" again")
        assert await offender.received(11) == b"hello again"
