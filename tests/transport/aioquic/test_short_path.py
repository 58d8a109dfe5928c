"""The short path: what takes it, what does not, and that nobody can tell which way a packet went."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aioquic.quic.events import StreamDataReceived
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .pair import CLIENT, LIMITS, SERVER, connected_pair
from .test_recovery import Network

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.transport.aioquic.core import GatewayQuic
    from quicgw_fast.transport.termination import Termination

STEPS = st.lists(
    st.tuples(st.booleans(), st.sampled_from((1, 100, 1200, 5_000, 40_000)), st.sampled_from((0.0, 0.003, 0.05, 1.0))),
    min_size=1,
    max_size=12,
)
"""Who sends (the client or the server), how many bytes, and how long nothing follows."""


def consistent(core: GatewayQuic) -> None:
    """aioquic's sums are those of what they sum up, whichever way the packets took."""
    space, loss = core.gw_space, core._loss
    packets = space.sent_packets.values()
    assert list(space.sent_packets) == sorted(space.sent_packets)
    assert all(number == packet.packet_number for number, packet in space.sent_packets.items())
    assert space.ack_eliciting_in_flight == sum(packet.is_ack_eliciting for packet in packets)
    if core._handshake_confirmed:
        assert loss.bytes_in_flight == sum(packet.sent_bytes for packet in packets if packet.in_flight)
    for stream in core._streams.values():
        sender, receiver = stream.sender, stream.receiver
        assert len(sender._buffer) == sender._buffer_stop - sender._buffer_start
        assert receiver._buffer_start <= receiver.highest_offset == core._local_max_data.used
        assert sender.highest_offset == core._remote_max_data_used
        if sender.buffer_is_empty:
            assert len(sender._pending) == 0


class Alternating(Network):
    """A network whose ends change their way now and then, in the middle of everything."""

    def _service(self, address: tuple[str, int], core: GatewayQuic) -> None:
        core.short_path = self._rng.random() < 0.5
        super()._service(address, core)
        consistent(core)


class Watched(Network):
    """A network whose ends are looked at all the time."""

    def _service(self, address: tuple[str, int], core: GatewayQuic) -> None:
        super()._service(address, core)
        consistent(core)


def exchange(
    kind: type[Network], ways: tuple[bool, bool], seed: int, loss: float, steps: list[tuple[bool, int, float]]
) -> tuple[bytes, bytes, Termination | None, int]:
    """Play the steps over a lossy network; return what arrived, how it ended, and how many packets went short."""
    client, server, now = connected_pair()
    client.short_path, server.short_path = ways
    network = kind(client, server, now, seed, loss)
    client.send_stream_data(0, b"first")
    network.run(now + 30.0, lambda: network.data[SERVER])
    content = random.Random(seed)
    want = {SERVER: bytearray(b"first"), CLIENT: bytearray()}
    for by_client, size, quiet in steps:
        data = content.randbytes(size)
        (client if by_client else server).send_stream_data(0, data)
        want[SERVER if by_client else CLIENT] += data
        network.run(network.now + quiet)
    network.run(network.now + 300.0, lambda: network.data == want and not client.unacked() and not server.unacked())
    assert network.data == want
    for data, _ in client.closing_datagrams(0x1234, "enough", network.now):
        server.receive_datagram(data, CLIENT, network.now)
    short = sum(counts(client) + counts(server))
    return bytes(network.data[SERVER]), bytes(network.data[CLIENT]), server.ended(), short


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 1 << 32), loss=st.sampled_from((0.0, 0.0, 0.03, 0.2)), steps=STEPS)
def test_what_arrives_is_the_same_whichever_way_it_takes(
    seed: int, loss: float, steps: list[tuple[bool, int, float]]
) -> None:
    *whole, never = exchange(Watched, (False, False), seed, loss, steps)
    *short, often = exchange(Watched, (True, True), seed, loss, steps)
    *mixed, _ = exchange(Watched, (True, False), seed, loss, steps)
    *changing, _ = exchange(Alternating, (True, True), seed, loss, steps)
    assert whole == short == mixed == changing
    assert never == 0
    assert often > 0
    ended = whole[2]
    assert ended is not None
    assert (ended.error_code, ended.reason, ended.by_peer) == (0x1234, "enough", True)


def settled_pair(**limits: object) -> tuple[GatewayQuic, GatewayQuic, float]:
    """Two ends with an open stream, nothing under way, and every control frame of the beginning done with."""
    client, server, now = connected_pair(replace(LIMITS, **limits))  # type: ignore[arg-type]
    network = Network(client, server, now, 0, 0.0)
    for turn in range(1, 6):
        client.send_stream_data(0, b"up")
        server.has_stream() and server.send_stream_data(0, b"down")  # type: ignore[func-returns-value]
        network.run(network.now + 30.0, lambda turn=turn: len(network.data[SERVER]) == 2 * turn)
        network.run(network.now + 0.2)
    assert not client.unacked()
    assert not server.unacked()
    return client, server, network.now


def cross(source: GatewayQuic, target: GatewayQuic, now: float) -> list[bytes]:
    """Move what is due to the other end, and return what arrived of the stream."""
    source.plan_ack(now)
    for data, _ in source.datagrams_to_send(now):
        target.receive_datagram(data, CLIENT if source._is_client else SERVER, now)
    return received(target)


def received(core: GatewayQuic) -> list[bytes]:
    events = []
    while (event := core.next_event()) is not None:
        if isinstance(event, StreamDataReceived):
            events.append(event.data)
    return events


def counts(core: GatewayQuic) -> tuple[int, int]:
    return core.short_counters.short_received, core.short_counters.short_sent


def test_requests_and_answers_take_it() -> None:
    client, server, now = settled_pair()
    before = [counts(client), counts(server)]
    for _ in range(10):
        now += 0.01
        client.send_stream_data(0, b"request")
        assert cross(client, server, now) == [b"request"]
        server.send_stream_data(0, b"answer")
        assert cross(server, client, now + 0.001) == [b"answer"]
    for (received_before, sent_before), core in zip(before, (client, server), strict=True):
        assert counts(core) == (received_before + 10, sent_before + 10)
        consistent(core)


def test_it_can_be_switched_off() -> None:
    client, server, now = settled_pair(short_path=False)
    client.send_stream_data(0, b"request")
    assert cross(client, server, now) == [b"request"]
    assert counts(client) == counts(server) == (0, 0)


def test_packets_of_the_short_path_are_those_that_aioquic_builds() -> None:
    """They are built, undone and built again, as the keys are never the same a second time."""
    client, server, now = settled_pair()
    server.send_stream_data(0, b"something to acknowledge")
    cross(server, client, now)
    client.plan_ack(now + 0.002)
    client.send_stream_data(0, bytes(3_000))
    client.plan_ack(now + 0.002)
    space, sender, pacer = client.gw_space, client._streams[0].sender, copy.copy(client._loss._pacer)
    number, ack_at, highest = client._packet_number, space.ack_at, sender.highest_offset
    short = client.datagrams_to_send(now + 0.002)
    assert client.short_counters.short_sent > 0
    assert len(short) == 3
    for packet in [packet for key, packet in space.sent_packets.items() if key >= number]:
        client._loss._on_packets_lost(congestion_event=False, now=now, packets=[packet], space=space)
    client._remote_max_data_used -= sender.highest_offset - highest
    client._packet_number, space.ack_at, sender.highest_offset, client._loss._pacer = number, ack_at, highest, pacer
    client.short_path = False
    assert client.datagrams_to_send(now + 0.002) == short


def lost_one(client: GatewayQuic, server: GatewayQuic, now: float) -> None:
    client.send_stream_data(0, b"lost")
    client.datagrams_to_send(now)


def window_raised(client: GatewayQuic, server: GatewayQuic, now: float) -> None:
    server._streams[0].max_stream_data_local += 1


def forged_address(client: GatewayQuic, server: GatewayQuic, now: float) -> None:
    client.send_stream_data(0, b"moved")
    for data, _ in client.datagrams_to_send(now):
        server.receive_datagram(data, ("192.0.2.9", 9), now)


def ping(client: GatewayQuic, server: GatewayQuic, now: float) -> None:
    server.send_ping(1)


def new_keys(client: GatewayQuic, server: GatewayQuic, now: float) -> None:
    server.request_key_update()


def end(client: GatewayQuic, server: GatewayQuic, now: float) -> None:
    client.send_stream_data(0, b"", end_stream=True)


def new_id(client: GatewayQuic, server: GatewayQuic, now: float) -> None:
    client.change_connection_id()


def probe(client: GatewayQuic, server: GatewayQuic, now: float) -> None:
    server._send_probe()


@pytest.mark.parametrize("happen", [lost_one, window_raised, forged_address, ping, new_keys, end, new_id, probe])
def test_what_is_unusual_goes_the_whole_way_and_the_short_one_is_found_again(
    happen: Callable[[GatewayQuic, GatewayQuic, float], None],
) -> None:
    client, server, now = settled_pair()
    before = sum(counts(client) + counts(server))
    happen(client, server, now)
    packets = 0
    network = Network(client, server, now, 0, 0.0)
    for _ in range(4):
        if client._streams[0].sender._buffer_fin is None:
            client.send_stream_data(0, b"request")
        server.send_stream_data(0, b"answer")
        sent = client._packet_number + server._packet_number
        network.run(network.now + 0.3)
        packets += client._packet_number + server._packet_number - sent
        for core in (client, server):
            consistent(core)
    short = sum(counts(client) + counts(server)) - before
    assert 0 < short < 2 * packets, "each packet has two ends, and at least one of the first went the whole way"
    assert client.ended() is server.ended() is None
    assert not server.unacked()


def test_what_is_not_genuine_changes_nothing() -> None:
    client, server, now = settled_pair()
    client.send_stream_data(0, b"request")
    ((data, _),) = client.datagrams_to_send(now)
    before = server.short_counters.short_received
    for place in range(len(data)):
        server.receive_datagram(data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :], CLIENT, now)
        assert not received(server)
    for size in range(1, len(data)):
        server.receive_datagram(data[:size], CLIENT, now)
    assert server.short_counters.short_received == before
    server.receive_datagram(data, CLIENT, now)
    assert received(server) == [b"request"]
    server.receive_datagram(data, CLIENT, now)
    assert not received(server), "a duplicate"
    assert server.short_counters.short_received == before + 1
