"""A UDP proxy that damages traffic on purpose, the same way for the same seed (see ``impairment``)."""

from __future__ import annotations

import asyncio
import heapq
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.impairment import Direction, Impairment, Lane, Stats, flip
from tests.support.raw_quic import udp_socket

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import TracebackType

    Address = tuple[str, int]

__all__ = ["Direction", "Impairment", "Stats", "UdpProxy"]


class _Endpoint(asyncio.DatagramProtocol):
    """Hands what arrives to a callable."""

    def __init__(self, received: Callable[[bytes, Address], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._received(data, addr)

    def error_received(self, exc: Exception) -> None:
        """Ignore ICMP errors, as a network does."""


class _Queue:
    """Delivers datagrams at their time; those due at the same time in the order of entry."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._entries = 0
        self._timer: asyncio.TimerHandle | None = None

    def put(self, delay: float, deliver: Callable[[], None]) -> None:
        if delay <= 0.0 and not self._heap:
            deliver()
            return
        self._entries += 1
        heapq.heappush(self._heap, (self._loop.time() + delay, self._entries, deliver))
        self._arm()

    def close(self) -> None:
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        due = self._heap[0][0]
        if self._timer is None or due < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(due, self._run)

    def _run(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)[2]()
        if self._heap:
            self._arm()


@dataclass(slots=True)
class _Flow:
    """One client's address and the proxy's socket towards the gateway that stands for it."""

    client: Address
    target: Address
    transport: asyncio.DatagramTransport | None = None
    waiting: list[bytes] = field(default_factory=list)


class UdpProxy:
    """Stands between clients and gateways. Clients connect to ``address``; every client's port has its own flow.

    ``up`` and ``down`` are the impairments at first; :meth:`impair` changes them at any time.
    """

    def __init__(
        self,
        target: Address | Callable[[], Address],
        *,
        seed: int = 0,
        up: Impairment | None = None,
        down: Impairment | None = None,
    ) -> None:
        """``target`` is the gateway, or chooses the one for a new flow, as a balancer does."""
        self._choose = target if callable(target) else lambda: target
        source = random.Random(seed)
        self.lanes = {
            Direction.UP: Lane(up or Impairment(), random.Random(source.getrandbits(64))),
            Direction.DOWN: Lane(down or Impairment(), random.Random(source.getrandbits(64))),
        }
        self.rebinds = 0
        self.address: Address = ("", 0)
        self._flows: dict[Address, _Flow] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lifts: list[asyncio.TimerHandle] = []
        self._front: asyncio.DatagramTransport
        self._queues: dict[Direction, _Queue] = {}
        self._marks = {Direction.UP: [0, 0], Direction.DOWN: [0, 0]}  # entered, highest delivered

    # ---- control

    def stats(self, direction: Direction) -> Stats:
        """What happened to one direction so far."""
        return self.lanes[direction].stats

    def impair(self, up: Impairment | None = None, down: Impairment | None = None) -> None:
        """Change what happens to datagrams from now on; None leaves a direction as it is."""
        for direction, impairment in ((Direction.UP, up), (Direction.DOWN, down)):
            if impairment is not None:
                self.lanes[direction].impairment = impairment

    def blackhole(self, *directions: Direction, seconds: float | None = None) -> None:
        """Swallow everything in the given directions (none given: both), for a time or until :meth:`lift`."""
        for direction in directions or tuple(Direction):
            self.lanes[direction].blocked = True
            if seconds is not None:
                loop = asyncio.get_running_loop()
                self._lifts.append(loop.call_later(seconds, self.lift, direction))

    def lift(self, *directions: Direction) -> None:
        """End a blackhole in the given directions (none given: both)."""
        for direction in directions or tuple(Direction):
            self.lanes[direction].blocked = False

    async def rebind(self) -> None:
        """Give every flow a new source port towards the gateway, as a NAT does; the old ones are dead."""
        for flow in list(self._flows.values()):
            if flow.transport is not None:
                old, flow.transport = flow.transport, None
                old.close()
                await self._dial(flow)
        self.rebinds += 1

    def divert(self, chosen: Callable[[], bool]) -> None:
        """Choose the gateway of some flows anew, in the midst of their connections."""
        for flow in self._flows.values():
            if chosen():
                flow.target = self._choose()

    # ---- life

    async def start(self) -> Address:
        """Listen on a free port of 127.0.0.1 and return the address for clients."""
        self._queues = {direction: _Queue() for direction in Direction}
        self._front = await _open(udp_socket(), self._from_client)
        self.address = self._front.get_extra_info("sockname")
        return self.address

    async def close(self) -> None:
        """Stop; what is on its way is lost."""
        for handle in self._lifts:
            handle.cancel()
        await asyncio.gather(*self._tasks)
        for queue in self._queues.values():
            queue.close()
        self._front.close()
        for flow in self._flows.values():
            if flow.transport is not None:
                flow.transport.close()
        await asyncio.sleep(0)  # the sockets are closed in the next turn of the loop

    async def __aenter__(self) -> UdpProxy:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # ---- the way of a datagram

    def _from_client(self, data: bytes, client: Address) -> None:
        flow = self._flows.get(client)
        if flow is None:
            flow = self._flows[client] = _Flow(client, self._choose())
            task = asyncio.ensure_future(self._dial(flow))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._pass(Direction.UP, data, lambda body: self._to_gateway(flow, body))

    def _to_gateway(self, flow: _Flow, data: bytes) -> None:
        if flow.transport is None:
            flow.waiting.append(data)
        else:
            flow.transport.sendto(data, flow.target)

    async def _dial(self, flow: _Flow) -> None:
        def from_gateway(data: bytes, addr: Address) -> None:
            self._pass(Direction.DOWN, data, lambda body: self._front.sendto(body, flow.client))

        flow.transport = await _open(udp_socket(), from_gateway)
        waiting, flow.waiting = flow.waiting, []
        for data in waiting:
            flow.transport.sendto(data, flow.target)

    def _pass(self, direction: Direction, data: bytes, send: Callable[[bytes], None]) -> None:
        lane = self.lanes[direction]
        stats = lane.stats
        stats.received += 1
        fate = lane.decide()
        if lane.blocked:
            stats.blackholed += 1
            return
        if fate.lost:
            stats.lost += 1
            return
        if fate.corrupt_at is not None and data:
            data = flip(data, fate.corrupt_at)
            stats.corrupted += 1
        stats.duplicated += len(fate.delays) - 1
        stats.held_back += fate.held
        mark = self._marks[direction]
        mark[0] += 1
        number = mark[0]

        def deliver() -> None:
            stats.delivered += 1
            stats.overtaken += number < mark[1]
            mark[1] = max(mark[1], number)
            if not self._front.is_closing():
                send(data)

        for delay in fate.delays:
            stats.delay_total += delay
            self._queues[direction].put(delay, deliver)


async def _open(sock: socket.socket, received: Callable[[bytes, Address], None]) -> asyncio.DatagramTransport:
    """Listen on a socket; reads are cut at 64 KiB, the most that a datagram can have."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Endpoint(received), sock=sock)
    if hasattr(transport, "max_size"):
        transport.max_size = 65536
    return transport
