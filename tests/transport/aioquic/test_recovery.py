"""Two ends in memory with a virtual clock: loss, duplicates and reordering, the same in every run."""

from __future__ import annotations

import heapq
import random
from typing import TYPE_CHECKING

import pytest
from aioquic.quic.events import StreamDataReceived

from .pair import CLIENT, SERVER, connected_pair

if TYPE_CHECKING:
    from quicgw_fast.transport.aioquic.core import GatewayQuic


class Network:
    """Moves datagrams between two ends, and time along with them."""

    def __init__(self, client: GatewayQuic, server: GatewayQuic, now: float, seed: int, loss: float) -> None:
        self.ends = {CLIENT: client, SERVER: server}
        self.data = {CLIENT: bytearray(), SERVER: bytearray()}
        self.sent = 0
        self.now = now
        self._rng = random.Random(seed)
        self._loss = loss
        self._air: list[tuple[float, int, tuple[str, int], bytes]] = []

    def run(self, until: float, done: object = None) -> None:
        """Go on until ``done()`` or the given time."""
        while self.now < until and not (callable(done) and done()):
            for address, core in self.ends.items():
                self._service(address, core)
            # A little late, as real timers are: sums of times do not always round to the deadline.
            self.now = max(self.now, min([until, self._next_timer(), *(at for at, *_ in self._air[:1])])) + 1e-6
            while self._air and self._air[0][0] <= self.now:
                _, _, address, data = heapq.heappop(self._air)
                if (core := self.ends.get(address)) is None:
                    continue  # nobody is there
                core.gw_received_unacked += len(data)
                core.receive_datagram(data, CLIENT if address == SERVER else SERVER, self.now)
            for core in self.ends.values():
                at = core.get_timer()
                if at is not None and at <= self.now:
                    core.handle_timer(self.now)

    def _service(self, address: tuple[str, int], core: GatewayQuic) -> None:
        while (event := core.next_event()) is not None:
            if isinstance(event, StreamDataReceived):
                self.data[address] += event.data
        core.plan_ack(self.now)
        if core.has_output(self.now):
            for data, to in core.datagrams_to_send(self.now):
                self._send(data, to)
        core.drop_idle_pacing(self.now)

    def _send(self, data: bytes, to: tuple[str, int]) -> None:
        for _ in range(1 + (self._rng.random() < self._loss)):
            self.sent += 1
            if self._rng.random() >= self._loss:
                late = 0.03 * (self._rng.random() < self._loss)
                heapq.heappush(self._air, (self.now + 0.01 + late, self.sent, to, data))

    def _next_timer(self) -> float:
        return min(core.get_timer() or self.now + 60.0 for core in self.ends.values())


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("loss", [0.0, 0.05, 0.2])
def test_everything_arrives_in_order(seed: int, loss: float) -> None:
    client, server, now = connected_pair()
    network = Network(client, server, now, seed, loss)
    up, down = random.Random(1).randbytes(600_000), random.Random(2).randbytes(60_000)
    client.send_stream_data(0, up)
    network.run(now + 2.0, lambda: network.data[SERVER])
    server.send_stream_data(0, down)
    network.run(now + 50.0, lambda: len(network.data[SERVER]) == len(up) and len(network.data[CLIENT]) == len(down))
    assert network.data[SERVER] == up
    assert network.data[CLIENT] == down
    network.run(network.now + 5.0, lambda: not client.unacked() and not server.unacked())
    assert client.unacked() == server.unacked() == 0
    assert client.ended() is server.ended() is None
    assert server.gw_unread == 0, "an honest transfer never runs out of its budget, whatever the network does to it"


def test_small_exchanges_do_not_stall_under_loss() -> None:
    worst = 0.0
    for seed in range(8):
        client, server, now = connected_pair()
        network = Network(client, server, now, seed, 0.2)
        for turn in range(1, 40):
            start = network.now
            client.send_stream_data(0, bytes(100))
            network.run(start + 30.0, lambda network=network, turn=turn: len(network.data[SERVER]) == 100 * turn)
            assert len(network.data[SERVER]) == 100 * turn
            worst = max(worst, network.now - start)
    assert worst < 4.0


def test_a_probe_that_pacing_held_back_is_not_owed_for_ever() -> None:
    """Probes ignore the congestion window: one that stayed pending was followed by another with every turn."""
    client, server, now = connected_pair()
    network = Network(client, server, now, 1, 0.0)
    client.send_stream_data(0, bytes(100_000))
    network.run(now + 0.5)
    now = network.now
    client.send_stream_data(0, bytes(400_000))
    for _ in range(400):  # a whole congestion window leaves, and none of it arrives
        now += 0.001
        client.datagrams_to_send(now)
    loss = client._loss
    assert loss.congestion_window - loss.bytes_in_flight < 1300
    for _ in range(3):
        at = client.get_timer()
        assert at is not None
        now = at + 1e-6
        client.handle_timer(now)
        for _ in range(200):  # now and then pacing lets one packet through
            now += 1e-4
            loss._pacer.bucket_time, loss._pacer.evaluation_time = 1e-9, now
            client.datagrams_to_send(now)
    assert not client._probe_pending
    assert loss.bytes_in_flight <= loss.congestion_window + 6 * 1300


def test_probes_come_in_pairs_and_never_too_far_apart() -> None:
    client, server, now = connected_pair()
    network = Network(client, server, now, 0, 0.0)
    client.send_stream_data(0, b"x")
    network.run(now + 5.0, lambda: network.data[SERVER] and not client.unacked())
    now = network.now
    client.send_stream_data(0, b"lost for ever")
    client.datagrams_to_send(now)
    gaps = []
    for _ in range(25):
        at = client.get_timer()
        assert at is not None
        if client._close_at is not None and at >= client._close_at:
            break
        gaps.append(at - now)
        now = at
        client.handle_timer(now)
        assert 1 <= len(client.datagrams_to_send(now)) <= 2
    assert gaps[0] < 0.2
    assert 1.0 < max(gaps) <= 2.001
    assert gaps[3] > 4 * gaps[0]
