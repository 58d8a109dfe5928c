"""Nodes, a directory and the lines between them, with a simulated clock (``model`` has what happens to them).

The nodes are the real ones. Simulated are the directory (``toy``, which a test compares to the scripts), the lines to
it and between nodes (slow, cut, losing questions or answers), and what a gateway would do: sessions, each a number that
grows by one whenever somebody acts for it. A number that comes twice, or a hole, is two holders, or an old state that
came back.

A pause is simulated by what is seen of it: nothing goes in or out, and nobody acts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quicgw_fast.cluster.claiming import Claiming
from quicgw_fast.cluster.confirming import Confirming
from quicgw_fast.cluster.entries import DirectoryEntries
from quicgw_fast.cluster.given import GivenAway
from quicgw_fast.cluster.keys import Keys
from quicgw_fast.cluster.lease import OwnLease, Promises, Vouched
from quicgw_fast.cluster.link import DirectoryUnavailable, Server
from quicgw_fast.cluster.membership import Membership
from quicgw_fast.cluster.own_claims import OwnClaims
from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.cluster.placement import DirectoryPlacement
from quicgw_fast.cluster.sweeping import Sweeping
from quicgw_fast.cluster.taking import Taking
from quicgw_fast.cluster.telling import Telling
from quicgw_fast.observe import Metrics
from quicgw_fast.placement import Place
from tests.cluster.virtual_time import VirtualClock, VirtualLoop

if TYPE_CHECKING:
    import random
    from collections.abc import Coroutine, Sequence

    from quicgw_fast.cluster.own_claims import OwnClaim
    from quicgw_fast.cluster.scripts import AtomicScript
    from quicgw_fast.placement import Attempt
    from tests.cluster.toy import ToyDirectory

LEASE = 10.0
OPENIDS = ("alice", "bob")
NAMES = ("a", "b", "c")
ANSWER_WITHIN = 0.5
KEPT = 30.0
"""Seconds for which a node keeps what it gave away, until that is confirmed."""


class Violation(AssertionError):
    """A promise is broken; the message has the seed."""


@dataclass
class World:
    """What all share."""

    seed: int
    loop: VirtualLoop
    rng: random.Random
    toy: ToyDirectory
    run_id: str = "run-0"
    directory_up: bool = True
    nodes: dict[str, Node] = field(default_factory=dict)
    cut: set[frozenset[str]] = field(default_factory=set)
    last_number: dict[str, int] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    owner: dict[str, str] = field(default_factory=dict)
    """Of each session its openid."""
    ended: set[str] = field(default_factory=set)
    explained: set[str] = field(default_factory=set)
    """Sessions of whose end somebody was told: void, lost with a node, or never taken in time."""
    given: set[str] = field(default_factory=set)
    """Sessions that were given away, and of which nobody confirmed that they had come: lost, unless they are there."""
    serial: int = 0
    log: deque[str] = field(default_factory=lambda: deque(maxlen=400))

    failures: list[Violation] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def begin(self, work: Coroutine[None, None, None]) -> None:
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def say(self, what: str) -> None:
        self.log.append(f"{self.loop.time():10.3f} {what}")

    def broken(self, why: str) -> Violation:
        return Violation("\n".join([*self.log, f"seed {self.seed}: {why}"]))

    def reaches(self, one: str, other: str) -> bool:
        there = self.nodes.get(other)
        if one == other:
            return True
        cut = frozenset((one, other)) in self.cut
        return not cut and there is not None and not there.paused and not there.dead

    def new_session(self, openid: str) -> str:
        self.serial += 1
        session = f"s{self.serial}"
        self.owner[session] = openid
        self.last_number[session] = 0
        return session


class Line:
    """From one node to the directory, in place of ``DirectoryLink``: in order, and answers may be lost."""

    def __init__(self, world: World, node: Node) -> None:
        self._world = world
        self._node = node
        self.up = True
        self._connections = 1
        self.why = "cut"
        self.changed = lambda: None
        self._last = self._last_answer = 0.0

    @property
    def server(self) -> Server | None:
        return Server("toy", "valkey", "9", self._world.run_id, self._connections) if self.up else None

    def works(self) -> bool:
        world, node = self._world, self._node
        return world.directory_up and frozenset((node.name, "directory")) not in world.cut and not node.paused

    def ask(self, script: AtomicScript, keys: Sequence[str], *arguments: str | bytes | int) -> asyncio.Future[object]:
        world, loop = self._world, self._world.loop
        answer: asyncio.Future[object] = loop.create_future()
        if not self.up:
            answer.set_exception(DirectoryUnavailable("away"))
            answer.exception()
            return answer
        run_id = world.run_id
        self._last = max(self._last, loop.time() + world.rng.choice((0.0001, 0.001, 0.02)))

        def done() -> None:
            # What was sent before a pause is done later all the same.
            if world.directory_up and world.run_id == run_id and self._line_works():
                result = world.toy.run(script.name, keys, *arguments)
                if self.works():
                    self._last_answer = max(self._last_answer, loop.time() + world.rng.choice((0.0001, 0.001)))
                    loop.call_at(self._last_answer, lambda: answer.done() or answer.set_result(result))
                    return
            lose()

        def lose() -> None:
            if not answer.done():
                answer.set_exception(DirectoryUnavailable("no answer"))
                answer.exception()
            self.lost()

        loop.call_at(self._last, done)
        loop.call_later(ANSWER_WITHIN, lambda: answer.done() or lose())
        return answer

    def _line_works(self) -> bool:
        return frozenset((self._node.name, "directory")) not in self._world.cut

    def lost(self) -> None:
        if self.up:
            self.up = False
            self._world.loop.call_later(0.1, self.try_again)
            self.changed()

    def try_again(self) -> None:
        if self._node.dead:
            return
        if self.works():
            self.up = True
            self._connections += 1
            self.changed()
        else:
            self._world.loop.call_later(self._world.rng.uniform(0.1, 0.5), self.try_again)


class Node:
    """One start of a node, and the gateway that it would be."""

    def __init__(self, world: World, name: str, start: int) -> None:
        self.world = world
        self.name = name
        self.full = f"{name}.{start}"
        self.paused = self.dead = False
        self.sessions: dict[str, tuple[str, int]] = {}
        """By openid: the session, and its last number."""
        self.departed: dict[str, tuple[int, tuple[bytes, ...], float]] = {}
        self.newest_start: dict[str, object] = {}
        clock, metrics = VirtualClock(world.loop), Metrics()
        self.clock, self.metrics = clock, metrics
        self.lease, self.promises, self.claims = OwnLease(LEASE), Promises(LEASE), OwnClaims(1)
        self.line: Any = Line(world, self)
        entries = DirectoryEntries(self.line, Keys("t"), self.full, 1, LEASE, lambda: self.membership.current)
        taking = Taking(entries, self, self.promises, clock, devices=1)
        self.telling = Telling(
            self.claims, self.lease, entries, taking, outdated=lambda: self.membership.wake(), void=self.void
        )
        release = self.telling.release
        self.confirming = Confirming(
            self.claims, self.lease, entries, taking, clock, metrics, release=release, void=self.void
        )
        self.membership = Membership(
            self.full,
            lambda: "{}",
            self.lease,
            self.promises,
            self.line,
            entries,
            self,
            clock,
            metrics,
            founding=start == 0,
            confirm=self.confirming.begin,
            changed=lambda standing: world.say(f"{self.full} {standing.value}"),
        )
        outdated, self.given = self.membership.wake, GivenAway()
        claiming = Claiming(
            self.full,
            self.claims,
            self.lease,
            self.promises,
            entries,
            taking,
            self.confirming,
            self.telling,
            self.given,
            clock,
            metrics,
            accept_unseen=False,
            outdated=outdated,
        )
        self.placement = DirectoryPlacement(
            self.full, self.claims, self.lease, entries, claiming, self.telling, self.given, clock, metrics
        )
        self.sweeping = Sweeping(
            self.full, self.membership, self.lease, self.promises, entries, clock, metrics, dead_for=0.0, rest=3.0
        )
        self.swept_at = 0.0
        self.line.changed = self.directory_changed

    def directory_changed(self) -> None:
        if self.line.up:
            self.telling.directory_found()
        self.membership.wake()

    async def start(self) -> None:
        while True:
            try:
                await self.membership.start()
                return
            except DirectoryUnavailable:
                await asyncio.sleep(0.3)

    async def die(self) -> None:
        """Nothing of it is left, but what it wrote."""
        self.dead = True
        self.line.up = False
        for session, _ in self.sessions.values():
            self.world.explained.add(session)
        for _, parcels, _ in self.departed.values():
            self.world.explained |= {parcel.decode().split()[0] for parcel in parcels}
        self.world.explained |= {p.decode().split()[0] for claim in self.claims for p in claim.parked}
        self.world.explained |= {parcel.decode().split()[0] for parcel in self.given}
        await self.confirming.stop()
        await self.membership.stop()
        await self.placement.stop()
        await self.telling.stop()

    def void(self, claim: OwnClaim) -> None:
        self.world.say(f"{self.full} void {claim.openid} @{claim.generation}")
        had = self.sessions.pop(claim.openid, None)
        if had is not None:
            self.world.explained.add(had[0])
        self.world.explained |= {parcel.decode().split()[0] for parcel in claim.parked}

    # What a gateway does

    async def come(self, openid: str) -> None:
        """A START, which waits for a second at most, and gives way to a newer one of the same openid."""
        world = self.world
        self.newest_start[openid] = mine = object()
        answer = self.placement.claim(openid, "")
        if not isinstance(answer, Place):
            try:
                async with asyncio.timeout(1.0):
                    place = await answer
            except TimeoutError:
                return
        else:
            place = answer
        if self.dead or self.paused or self.newest_start[openid] is not mine:
            return
        if not place.here:
            world.say(f"{self.full} refuses {openid}: {place.detail}")
            return
        if not self.placement.may_act(openid):
            return
        world.explained |= {lost.session_id for lost in place.lost}
        self.not_taken(openid)
        if place.arrivals:
            session, number = place.arrivals[0].decode().split()
            self.sessions[openid] = session, int(number)
        elif openid not in self.sessions:
            self.sessions[openid] = world.new_session(openid), 0
        session, number = self.sessions[openid]
        world.say(f"{self.full} has {openid} {session} at {number} {self.generation(openid)} {place.lost}")
        self.placement.settled(openid, session, "e", "")
        self.act(openid)

    def generation(self, openid: str) -> int:
        return max((claim.generation for claim in self.claims.of(openid)), default=0)

    def acts(self, openid: str) -> bool:
        up = not self.dead and not self.paused
        return up and openid in self.sessions and self.placement.may_act(openid)

    def act(self, openid: str) -> None:
        """Send something with the next number, if that may be."""
        world = self.world
        if not self.acts(openid):
            return
        others = [node.full for node in world.nodes.values() if node is not self and node.acts(openid)]
        if others:
            raise world.broken(f"{self.full} and {others} both act for {openid}")
        session, number = self.sessions[openid]
        if world.last_number[session] != number:
            raise world.broken(f"{self.full} goes on with {session} at {number}, was {world.last_number[session]}")
        if session in world.ended:
            raise world.broken(f"{self.full} acts for {session}, which has ended")
        generation = self.generation(openid)
        if generation < world.newest.get(openid, 0):
            raise world.broken(f"{self.full} acts for {openid} by {generation}, after {world.newest[openid]}")
        world.newest[openid] = generation
        self.sessions[openid] = session, number + 1
        world.last_number[session] = number + 1

    def leave(self, openid: str) -> None:
        """Its session ends, as a client says STOP."""
        if self.acts(openid):
            session, _ = self.sessions.pop(openid)
            self.world.ended.add(session)
            self.world.say(f"{self.full} ends {session}")
            self.placement.released(openid, session)

    def not_taken(self, openid: str) -> None:
        """What was given away, and was not confirmed: it counts as lost, unless somebody has it after all."""
        _, parcels, _ = self.departed.pop(openid, (0, (), 0.0))
        self.world.given |= {parcel.decode().split()[0] for parcel in parcels}

    def tend(self) -> None:
        now = self.clock.now()
        for openid, (_, _, until) in list(self.departed.items()):
            if until < now:
                self.not_taken(openid)
        self.world.given |= {parcel.decode().split()[0] for parcel in self.given}
        if not self.paused and not self.dead:
            self.placement.tend(now)
            if now >= self.swept_at + 1.0:
                self.swept_at = now
                self.world.begin(self.sweep())

    async def sweep(self) -> None:
        try:
            await self.sweeping.step()
        except DirectoryUnavailable as error:
            self.world.say(f"{self.full} does not sweep: {error}")

    # Its way to others, as ``Peers``

    async def _there(self, node: str) -> Node:
        world = self.world
        await asyncio.sleep(world.rng.choice((0.0001, 0.005, 0.3)))
        name = node.partition(".")[0]
        there = world.nodes.get(name)
        if not world.reaches(self.name, name) or self.paused or there is None or there.full != node:
            raise PeerUnreachable("cut")
        return there

    async def _back(self, node: str) -> None:
        await asyncio.sleep(self.world.rng.choice((0.0001, 0.005)))
        if not self.world.reaches(self.name, node.partition(".")[0]) or self.world.rng.random() < 0.05:
            raise PeerUnreachable("the answer was lost")

    async def fetch(
        self, node: str, openid: str, held: int, generation: int, session_ids: Sequence[str], attempt: Attempt
    ) -> list[bytes]:
        there = await self._there(node)
        parcels = there.gives(openid, held, generation, session_ids)
        await self._back(node)
        return parcels

    def gives(self, openid: str, held: int, generation: int, session_ids: Sequence[str]) -> list[bytes]:
        has = self.claims.has_by(openid, held)
        parked = self.placement.yielded(openid, held)
        if has and openid in self.sessions:
            session, number = self.sessions.pop(openid)
            self.departed[openid] = held, (f"{session} {number}".encode(),), self.clock.now() + KEPT
            self.world.say(f"{self.full} gives {session} at {number} to {generation}")
        by, departed, _ = self.departed.get(openid, (0, (), 0.0))
        return parked or (list(departed) if by == held else [])

    async def confirm(self, node: str, openid: str, held: int) -> None:
        there = await self._there(node)
        if there.departed.get(openid, (0, (), 0.0))[0] == held:
            del there.departed[openid]
        there.placement.confirmed(openid, held)

    async def vouch(self, node: str, era: str) -> Vouched:
        there = await self._there(node)
        promised = await there.membership.vouch(self.full, era)
        await self._back(node)
        return promised
