"""Peers that want to keep the gateway busy: what one packet, one peer and one burst may cost has bounds."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aioquic.buffer import encode_uint_var
from aioquic.quic.packet import QuicErrorCode, QuicPacketType
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.tls import Epoch

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import TransportLimits
from quicgw_fast.transport.budget import CommonBudget, CpuBudget
from quicgw_fast.transport.packets import packets_in
from tests.support.raw_initial import InitialMaker, crypto, destination_of, first_packet

from ..helpers import MuteSocket, RawClient, Recorders, listening, until
from .inside import core_of, inside, of_aioquic
from .pair import CLIENT, connected_pair

if TYPE_CHECKING:
    from aioquic.quic.connection import QuicConnection

Identity = tuple[Path, Path]
var = encode_uint_var
STARVED = TransportLimits(cpu_share=1e-9, cpu_burst=1e-9, cpu_per_byte=0.0, cpu_per_step=0.0)


def stream_frame(offset: int, data: bytes) -> bytes:
    return b"\x0e" + var(0) + var(offset) + var(len(data)) + data


# One packet


@pytest.mark.parametrize(
    "frame",
    [b"\x01", b"\x00\x01", stream_frame(5, b""), b"\x06" + var(0) + var(0), b"\x10" + var(1)],
    ids=["ping", "padding-between", "empty-stream", "empty-crypto", "max-data"],
)
async def test_a_packet_of_very_many_frames_is_refused(identity: Identity, frame: bytes) -> None:
    server = Recorders(echo=True)
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        await client.connected()
        client.send(b"hello")
        await client.received(5)
        client.frames(frame * 60)
        client.send(b" again")
        assert await client.received(11) == b"hello again"
        client.frames(frame * 130)
        assert (await client.closed())[0] == QuicErrorCode.PROTOCOL_VIOLATION


async def test_an_ack_of_very_many_ranges_is_refused(identity: Identity) -> None:
    async with listening(identity, Recorders()) as listener, RawClient(listener.address) as client:
        await client.connected()
        client.frames(b"\x02" + var(400) + var(0) + var(150) + var(0) + b"\x00\x00" * 150)
        assert (await client.closed())[0] == QuicErrorCode.PROTOCOL_VIOLATION


async def test_scattered_stream_data_is_refused_beyond_what_loss_can_make(identity: Identity) -> None:
    server = Recorders()
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        await client.connected()
        for part in range(2):
            client.frames(b"".join(stream_frame(10 + 2 * (100 * part + step), b"x") for step in range(100)))
        code, frame_type, reason = await client.closed()
        assert (code, frame_type) == (CloseCode.PROTOCOL_ERROR, None)
        assert "gaps" in reason


async def test_a_first_packet_in_very_many_pieces_is_refused(identity: Identity) -> None:
    """Two Initials that leave holes, then more full of one-byte frames behind them: 3 ms each, once."""
    async with listening(identity, Recorders()) as listener:
        with MuteSocket(listener.address) as attacker:
            maker = InitialMaker()
            attacker.send(maker.packet(b"".join(crypto(100 + 2 * step, b"x") for step in range(40))))
            await until(lambda: listener.counters.failed == 1)
            assert listener.half_open == 0
            await until(attacker.answers)
            many = InitialMaker()
            attacker.send(many.packet(crypto(0, b"") * 100))
            await until(lambda: listener.counters.failed == 2)


async def test_a_client_hello_scattered_on_purpose_is_read(identity: Identity) -> None:
    """Some clients cut their ClientHello up, shuffle it and put PINGs between, against middleboxes."""
    async with listening(identity, Recorders(echo=True)) as listener, RawClient(listener.address) as client:
        await client.connected()
    async with listening(identity, Recorders()) as listener:
        maker = InitialMaker()
        hello = b"\x01" + (400).to_bytes(3, "big") + bytes(400)
        cuts = [hello[at : at + 40] for at in range(0, len(hello), 40)]
        order = [10, 8, 6, 4, 2, 0, 9, 7, 5, 3, 1]
        frames = b"".join(crypto(40 * index, cuts[index]) + b"\x01\x00\x00" for index in order)
        with MuteSocket(listener.address) as sender:
            sender.send(maker.packet(frames))
            # It is read to its end, and found to be nonsense by TLS, not by a limit.
            await until(lambda: listener.counters.failed == 1)
            await until(sender.answers)


def test_padding_is_skipped_in_one_step() -> None:
    client, server, now = connected_pair()
    quiet = TransportLimits(max_datagram=65_000)
    server.gw_limits = quiet
    begin = time.thread_time()
    for _ in range(20):
        server.receive_datagram(one_rtt(client, bytes(60_000) + b"\x01"), CLIENT, now)
    assert server.ended() is None
    assert server.gw_space.ack_at is not None
    # Stepping through it took 1.7 ms each; a tenth is far above what it takes now.
    assert time.thread_time() - begin < 20 * 0.0008


def one_rtt(core: QuicConnection, frames: bytes) -> bytes:
    """A packet of an established client with these frames, of any length."""
    builder = QuicPacketBuilder(
        host_cid=core.host_cid,
        peer_cid=core._peer_cid.cid,
        version=core._version or 1,
        is_client=True,
        max_datagram_size=len(frames) + 64,
        packet_number=core._packet_number,
    )
    builder.start_packet(QuicPacketType.ONE_RTT, core._cryptos[Epoch.ONE_RTT])
    builder._buffer.push_bytes(frames)
    (datagram,), _ = builder.flush()
    core._packet_number = builder.packet_number
    return datagram


# One datagram


async def test_datagrams_longer_than_advertised_are_dropped(identity: Identity) -> None:
    async with listening(identity, Recorders(echo=True)) as listener, RawClient(listener.address) as client:
        await client.connected()
        parameters = [data for kind, data in client.quic.tls.received_extensions or [] if kind == 0x39]
        assert b"\x03\x02" + var(2048) in parameters[0]
        client.sock.sendto(b"\x40" + bytes(65_000), listener.address)
        client.sock.sendto(b"\x40" + bytes(2048), listener.address)
        await until(lambda: inside(listener)._endpoint.dropped == 2)
        client.send(b"all is well")
        assert await client.received(11) == b"all is well"


async def test_very_many_packets_in_one_datagram_are_not_looked_at(identity: Identity) -> None:
    async with listening(identity, Recorders()) as listener:
        start = first_packet()
        with MuteSocket(listener.address) as attacker:
            attacker.send(start)
            await until(lambda: listener.half_open == 1)
            small = InitialMaker(destination_of(start), size=100)
            attacker.send(b"".join(small.packet(b"\x01") for _ in range(15)))
            await until(lambda: listener.counters.unread == 1)
            assert listener.half_open == 1


def test_packets_in_a_datagram_are_counted() -> None:
    small = InitialMaker(size=100)
    one = small.packet(b"\x01")
    second = InitialMaker(size=100, version=0x6B3343CF).packet(b"\x01")
    assert packets_in(one) == 1
    assert packets_in(one + second + one) == 3
    assert packets_in(one + b"\x40short header, and the rest with it" + one) == 2
    assert packets_in(one + bytes(500)) == 2
    for cut in range(1, len(one)):
        assert packets_in(one[:cut]) == 1
    assert packets_in(first_packet()) <= 2  # it may be padded outside of the packet


# One peer


def test_the_budget() -> None:
    limits = TransportLimits(cpu_share=0.1, cpu_burst=1.0, cpu_per_byte=0.001, cpu_per_step=0.01, cpu_per_datagram=2.0)
    budget = CpuBudget(limits, CommonBudget(TransportLimits(cpu_common_burst=100.0)))
    assert budget.allows(now=0.0)
    budget.charge(0.9, moved=0)
    assert budget.allows(now=0.0)
    budget.charge(0.3, moved=0)  # the last datagram may overdraw
    assert not budget.allows(now=0.0)
    assert not budget.allows(now=1.9)
    assert budget.allows(now=2.1)
    for _ in range(100):  # bulk pays for itself
        assert budget.allows(now=2.1)
        budget.charge(0.5, moved=500)
        budget.charge(0.01, moved=1)
    budget.charge(0.0, moved=10**6)
    budget.charge(1.1, moved=0)  # nobody saves more than the burst
    assert not budget.allows(now=2.1)
    assert budget.allows(now=100.0)
    budget.charge(0.55, moved=0)  # and time fills no more than half of it
    assert not budget.allows(now=100.0)


def test_who_has_no_reserve_shares_what_is_left_for_all() -> None:
    limits = TransportLimits(
        cpu_share=0.1, cpu_burst=1.0, cpu_common_share=0.5, cpu_common_burst=1.0, cpu_per_datagram=2.0, cpu_login=0.1
    )
    common = CommonBudget(limits)
    many = [CpuBudget(limits, common) for _ in range(10)]
    for budget in many:
        budget.charge(0.2, moved=0)
        budget.end_handshake()
        assert budget.allows(now=0.0)
        budget.charge(0.2, moved=0)
    assert not any(budget.allows(now=0.0) for budget in many), "each has 0.4 left, and all together nothing"
    mover = CpuBudget(limits, common)
    mover.end_handshake()
    mover.charge(0.05, moved=1000)
    assert mover.allows(now=0.0), "it has earned what it used"
    assert all(budget.allows(now=10.0) for budget in many), "time gives it back"
    many[0].charge(1.5, moved=0)
    assert not many[1].allows(now=10.0)
    assert many[1].allows(now=11.5)


def test_a_collection_of_garbage_is_not_charged_to_the_peer_it_falls_on() -> None:
    """With thousands of connections one takes a tenth of a second, in the middle of anybody's packet."""
    budget = CpuBudget(TransportLimits(), CommonBudget(TransportLimits()))
    for _ in range(5):
        budget.charge(0.5, moved=0)
    assert budget.allows(now=0.0)


async def test_a_peer_that_used_up_its_time_is_dropped_unread_and_others_are_not(identity: Identity) -> None:
    server = Recorders(echo=True)
    async with (
        listening(identity, server) as listener,
        RawClient(listener.address) as witness,
        RawClient(listener.address) as offender,
    ):
        await witness.connected()
        await offender.connected()
        offender.send(b"hello")
        await offender.received(5)
        await until(lambda: len(server) == 2)
        core = core_of(next(each for each in server if each.data == b"hello").connection)
        core._gw_budget = CpuBudget(STARVED, CommonBudget(STARVED))
        for _ in range(10):
            offender.frames(b"\x01" * 100)
        await until(lambda: core.gw_unread >= 8)
        assert listener.counters.unread == core.gw_unread
        witness.send(b"all is well")
        assert await witness.received(11) == b"all is well"
        assert offender.close_seen is None
        # Time earns the share back: it can go on then.
        core._gw_budget = CpuBudget(TransportLimits(), CommonBudget(TransportLimits()))
        offender.send(b" again")
        assert await offender.received(11) == b"hello again"


async def test_honest_bulk_is_not_slowed_down(identity: Identity) -> None:
    """Even with nothing but what a transfer earns: not one datagram of 4 MB each way is dropped."""
    server = Recorders(echo=True)
    limits = TransportLimits(cpu_share=1e-6)
    async with listening(identity, server, limits) as listener, RawClient(listener.address) as client:
        await client.connected()
        client.send(bytes(4 << 20))
        await client.received(4 << 20)
        assert listener.counters.unread == 0


async def test_a_handshake_may_take_only_so_many_datagrams(identity: Identity) -> None:
    async with listening(identity, Recorders(), TransportLimits(handshake_timeout=1.0)) as listener:
        start = first_packet()
        maker = InitialMaker(destination_of(start))
        maker.number = 10
        with MuteSocket(listener.address) as attacker:
            attacker.send(start, *(maker.packet(b"\x01") for _ in range(60)))
            await until(lambda: listener.counters.unread == 21)
            assert listener.half_open == 1
            await until(lambda: listener.half_open == 0)
            assert listener.counters.failed == 1


async def test_acknowledgements_that_are_never_acknowledged_are_forgotten(identity: Identity) -> None:
    """A peer that only pings and acknowledges nothing made us remember every ACK for as long as it liked."""
    client, server, now = connected_pair()
    server.gw_limits = TransportLimits(max_unacked_packets=100, cpu_burst=1e9)
    server._gw_budget = CpuBudget(server.gw_limits, CommonBudget(server.gw_limits))
    server.gw_next_prune = 100
    most = 0
    for _ in range(1000):
        now += 0.03
        server.receive_datagram(one_rtt(client, b"\x01"), CLIENT, now)
        server.plan_ack(now + 0.03)
        server.datagrams_to_send(now + 0.03)
        most = max(most, len(server.gw_space.sent_packets))
    assert server.ended() is None
    assert most <= 220


# One burst


async def test_reading_gives_way_after_a_while(identity: Identity) -> None:
    """64 datagrams that take 5 ms each must not keep everybody else waiting for 320 ms; a few are read in any case."""
    async with listening(identity, Recorders(echo=True)) as listener:
        endpoint = inside(listener)._endpoint
        turns: list[int] = []

        class Slow:
            newcomer = False

            def datagram(self, _data: bytes, _address: object, _now: float, /) -> None:
                turns[-1] += 1
                time.sleep(0.005)

        endpoint.receivers[b"12345678"] = Slow()
        read = endpoint._on_readable

        def counted() -> None:
            turns.append(0)
            read()

        asyncio.get_running_loop().add_reader(endpoint._fd, counted)
        with MuteSocket(listener.address) as sender:
            sender.send(*[b"\x4012345678" + bytes(40)] * 24)
            await until(lambda: sum(turns) == 24)
        assert max(turns) <= TransportLimits().drain_least
        del endpoint.receivers[b"12345678"]


async def test_long_datagrams_do_not_stall_the_loop(identity: Identity) -> None:
    server = Recorders(echo=True)
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        await client.connected()
        client.send(b"hello")
        await client.received(5)
        core = core_of(server[0].connection)
        flood = [one_rtt(client.quic, b"\x00\x01" * 32_000) for _ in range(16)]
        before = time.thread_time()
        for data in flood:
            client.sock.sendto(data, listener.address)
        await until(lambda: inside(listener)._endpoint.dropped == 16)
        assert time.thread_time() - before < 0.5
        assert core.ended() is None


async def test_newcomers_stand_back_behind_those_who_are_there(identity: Identity) -> None:
    """However many handshakes come at once, they take some milliseconds of a turn of the loop."""
    server = Recorders(echo=True)
    limits = TransportLimits(newcomers_time=1e-6)  # one in a turn
    async with listening(identity, server, limits) as listener, RawClient(listener.address) as client:
        await client.connected()
        for count in range(20):
            client.send(b"request")
            await client.received(7 * (count + 1))
        assert not of_aioquic(server[0].connection).newcomer
        endpoint = inside(listener)._endpoint
        with MuteSocket(listener.address) as flooder:
            flooder.send(*(first_packet() for _ in range(30)))
            client.send(b"request")
            await client.received(7 * 21)
            assert endpoint._standing_back, "it was answered before they were looked at"
            await until(lambda: listener.half_open == 30)
        assert not endpoint._standing_back
