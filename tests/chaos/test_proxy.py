"""The proxy really does what its settings say, and the same for the same seed."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, cast

import pytest

from tests.support.impairment import Direction, Impairment, Lane
from tests.support.raw_quic import udp_socket
from tests.support.udp_proxy import UdpProxy
from tests.support.wire import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

COUNT = 400


class Peer(asyncio.DatagramProtocol):
    """A UDP socket that keeps what it gets, with times and senders; a server sends everything back."""

    def __init__(self, echo: bool) -> None:
        self.echo = echo
        self.got: list[bytes] = []
        self.times: list[float] = []
        self.senders: Counter[tuple[str, int]] = Counter()
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.got.append(data)
        self.times.append(time.monotonic())
        self.senders[addr] += 1
        if self.echo:
            self.transport.sendto(data, addr)


async def hang_up(peer: Peer) -> None:
    peer.transport.close()
    await asyncio.sleep(0)  # the socket is closed in the next turn of the loop


async def peer(echo: bool) -> Peer:
    _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Peer(echo), sock=udp_socket())
    return protocol


@pytest.fixture
async def server() -> AsyncIterator[Peer]:
    protocol = await peer(echo=True)
    yield protocol
    await hang_up(protocol)


@pytest.fixture
async def client() -> AsyncIterator[Peer]:
    protocol = await peer(echo=False)
    yield protocol
    await hang_up(protocol)


def proxy_to(server: Peer, seed: int = 0, up: Impairment | None = None, down: Impairment | None = None) -> UdpProxy:
    return UdpProxy(server.transport.get_extra_info("sockname"), seed=seed, up=up, down=down)


def number(index: int) -> bytes:
    return index.to_bytes(4, "big") * 8


async def send(client: Peer, proxy: UdpProxy, count: int = COUNT, first: int = 0) -> None:
    """Send numbered datagrams, a few per turn of the loop so that no socket buffer overflows."""
    for index in range(first, first + count):
        client.transport.sendto(number(index), proxy.address)
        if index % 8 == 7:
            await asyncio.sleep(0.001)


async def idle(proxy: UdpProxy, count: int = COUNT) -> None:
    """Wait until every datagram sent has met its fate in both directions."""

    def settled() -> bool:
        up, down = proxy.stats(Direction.UP), proxy.stats(Direction.DOWN)
        due = up.received - up.lost - up.blackholed + up.duplicated
        back = down.received - down.lost - down.blackholed + down.duplicated
        return up.received >= count and up.delivered == due == down.received and down.delivered == back

    await until(settled, what="the end of all datagrams")


async def test_without_impairment_everything_passes_in_order(server: Peer, client: Peer) -> None:
    async with proxy_to(server) as proxy:
        await send(client, proxy)
        await idle(proxy)
        await until(lambda: len(client.got) == COUNT)
    assert server.got == client.got == [number(index) for index in range(COUNT)]


async def test_loss_of_one_direction_hits_the_share_and_only_that_direction(server: Peer, client: Peer) -> None:
    async with proxy_to(server, up=Impairment(loss=0.2)) as proxy:
        await send(client, proxy)
        await idle(proxy)
        up, down = proxy.stats(Direction.UP), proxy.stats(Direction.DOWN)
        await until(lambda: len(client.got) == COUNT - up.lost)
    assert 0.1 < up.lost / COUNT < 0.3
    assert len(server.got) == COUNT - up.lost
    assert down.lost == 0


async def test_the_fate_of_every_datagram_follows_from_the_seed(server: Peer, client: Peer) -> None:
    arrived: list[list[bytes]] = []
    for seed in (7, 7, 8):
        server.got.clear()
        async with proxy_to(server, seed, up=Impairment(loss=0.3, corrupt=0.1, duplicate=0.1)) as proxy:
            await send(client, proxy)
            await idle(proxy)
            arrived.append(list(server.got))
    assert arrived[0] == arrived[1] != arrived[2]


def test_decisions_do_not_depend_on_what_else_is_switched_on() -> None:
    alone = Lane(Impairment(loss=0.3), random.Random(5))
    together = Lane(Impairment(loss=0.3, duplicate=0.5, corrupt=0.5, reorder=0.5, jitter=1.0), random.Random(5))
    assert [alone.decide().lost for _ in range(500)] == [together.decide().lost for _ in range(500)]


async def test_delay_is_waited_and_keeps_the_order(server: Peer, client: Peer) -> None:
    async with proxy_to(server, up=Impairment(delay=0.1)) as proxy:
        sent = time.monotonic()
        await send(client, proxy, 50)
        await idle(proxy, 50)
    assert server.times[0] - sent >= 0.1
    assert server.got == [number(index) for index in range(50)]


async def test_delay_of_the_way_back(server: Peer, client: Peer) -> None:
    async with proxy_to(server, down=Impairment(delay=0.1)) as proxy:
        await send(client, proxy, 1)
        await until(lambda: len(client.got) == 1)
        assert proxy.stats(Direction.UP).delay_total == 0.0
    assert client.times[0] - server.times[0] >= 0.1


async def test_jitter_spreads_the_delay(server: Peer, client: Peer) -> None:
    async with proxy_to(server, up=Impairment(delay=0.02, jitter=0.1)) as proxy:
        await send(client, proxy)
        await idle(proxy)
        up = proxy.stats(Direction.UP)
    assert 0.055 < up.delay_total / COUNT < 0.085
    assert up.overtaken > 0
    assert sorted(server.got) == [number(index) for index in range(COUNT)]


async def test_reorder_lets_later_datagrams_overtake_and_loses_none(server: Peer, client: Peer) -> None:
    async with proxy_to(server, up=Impairment(reorder=0.2)) as proxy:
        await send(client, proxy)
        await idle(proxy)
        up = proxy.stats(Direction.UP)
    assert up.overtaken > COUNT // 20
    assert server.got != sorted(server.got)
    assert sorted(server.got) == [number(index) for index in range(COUNT)]


async def test_duplicates_arrive_twice(server: Peer, client: Peer) -> None:
    async with proxy_to(server, up=Impairment(duplicate=0.25)) as proxy:
        await send(client, proxy)
        await idle(proxy)
        up = proxy.stats(Direction.UP)
    counts = Counter(server.got)
    assert set(counts.values()) == {1, 2}
    assert sum(count == 2 for count in counts.values()) == up.duplicated > COUNT // 8


async def test_corruption_changes_one_byte(server: Peer, client: Peer) -> None:
    async with proxy_to(server, up=Impairment(corrupt=0.25)) as proxy:
        await send(client, proxy)
        await idle(proxy)
        up = proxy.stats(Direction.UP)
    changed = [sum(a != b for a, b in zip(data, number(index), strict=True)) for index, data in enumerate(server.got)]
    assert set(changed) == {0, 1}
    assert sum(changed) == up.corrupted > COUNT // 8


@pytest.mark.parametrize("direction", list(Direction))
async def test_blackhole_of_one_direction_until_lifted(server: Peer, client: Peer, direction: Direction) -> None:
    async with proxy_to(server) as proxy:
        proxy.blackhole(direction)
        await send(client, proxy, 20)
        await until(lambda: proxy.stats(direction).blackholed == 20)
        assert len(server.got) == (0 if direction is Direction.UP else 20)
        assert client.got == []
        proxy.lift(direction)
        await send(client, proxy, 20, first=20)
        await until(lambda: len(client.got) == 20)


async def test_blackhole_ends_by_itself(server: Peer, client: Peer) -> None:
    async with proxy_to(server) as proxy:
        begun = time.monotonic()
        proxy.blackhole(seconds=0.2)
        sent = 0
        while not client.got:
            await send(client, proxy, 1, first=sent)
            sent += 1
            await asyncio.sleep(0.01)
        assert 0.2 <= client.times[0] - begun < 15.0


async def test_rebind_changes_the_port_that_the_server_sees(server: Peer, client: Peer) -> None:
    async with proxy_to(server) as proxy:
        await send(client, proxy, 10)
        await until(lambda: len(client.got) == 10)
        await proxy.rebind()
        await send(client, proxy, 10, first=10)
        await until(lambda: len(client.got) == 20)
        assert proxy.rebinds == 1
    assert list(server.senders.values()) == [10, 10]


async def test_clients_have_flows_of_their_own(server: Peer, client: Peer) -> None:
    other = await peer(echo=False)
    async with proxy_to(server) as proxy:
        await send(client, proxy, 5)
        await send(other, proxy, 5, first=100)
        await until(lambda: len(client.got) == len(other.got) == 5)
    await hang_up(other)
    assert set(client.got).isdisjoint(other.got)
    assert len(server.senders) == 2


async def test_impairments_can_change_on_the_way(server: Peer, client: Peer) -> None:
    async with proxy_to(server, up=Impairment(loss=1.0)) as proxy:
        await send(client, proxy, 20)
        await until(lambda: proxy.stats(Direction.UP).lost == 20)
        proxy.impair(up=Impairment())
        await send(client, proxy, 20)
        await until(lambda: len(client.got) == 20)
