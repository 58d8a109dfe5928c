"""This node among the others: its lease is kept, and what it may do is known at every moment.

A loop renews the lease every third of it, and at once when the directory was away. Where a renewal begins a new term
(``lease``) whoever keeps the claims is called, to have each confirmed. Where the directory cannot be reached, the other
nodes are asked to vouch, from the moment on in which a third of the lease is over without a renewal.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from typing import TYPE_CHECKING, Final

from quicgw_fast.cluster.lease import NodeStanding, Vouched
from quicgw_fast.cluster.link import DirectoryUnavailable
from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.observe import Unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.cluster.entries import DirectoryEntries
    from quicgw_fast.cluster.lease import OwnLease, Promises
    from quicgw_fast.cluster.link import DirectoryLink, Server
    from quicgw_fast.cluster.peers import Peers
    from quicgw_fast.cluster.records import NodeRecord
    from quicgw_fast.observe import Metrics

RENEWALS: Final = 3
"""In one lease."""

_log = logging.getLogger("quicgw.cluster")


class Membership:
    """Keeps the lease of this node, from ``start`` to ``stop``."""

    def __init__(
        self,
        node: str,
        about: Callable[[], str],
        lease: OwnLease,
        promises: Promises,
        link: DirectoryLink,
        entries: DirectoryEntries,
        peers: Peers,
        clock: Clock,
        metrics: Metrics,
        *,
        founding: bool,
        confirm: Callable[[], None],
        changed: Callable[[NodeStanding], None],
    ) -> None:
        """``about`` gives what the others are to know of this node, as JSON. ``confirm`` is called when claims need it.

        ``changed`` is told of another standing; not of a pause of the whole process, which ends with it unnoticed until
        somebody asks.
        """
        self._node = node
        self._about = about
        self._lease = lease
        self._promises = promises
        self._link = link
        self._entries = entries
        self._peers = peers
        self._now = clock.now
        self._founding = founding
        self._confirm = confirm
        self._changed = changed
        self._standing = NodeStanding.SUSPENDED
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._complete_at = -math.inf
        """When the directory grants claims again, whose data this node found to be new."""
        self._known: Server | None = None
        """Who renewed the lease last, and over which connection."""
        self.nodes: tuple[NodeRecord, ...] = ()
        """Those that the directory knew at the last renewal."""
        self.renewal_took = 0.0
        """Seconds of the last one."""
        metrics.gauge("lease_remaining", "For which the lease of this node surely holds", self._remaining, Unit.SECONDS)
        metrics.gauge("cluster_nodes", "Nodes whose lease there was at the last renewal", lambda: len(self.nodes))
        metrics.gauge("directory_latency", "Of the last renewal", lambda: self.renewal_took, Unit.SECONDS)
        standings = [(standing.value,) for standing in NodeStanding]
        metrics.gauges(
            "cluster_standing", "What this node may do", ("standing",), standings, self._standings, Unit.FLAG
        )
        self._count_terms = metrics.counter(
            "lease_terms", "Terms of the lease: more than one means that it ran out, or that the directory changed"
        )
        self._count_vouched = metrics.counter("lease_vouched", "Times that all other nodes vouched for this one")

    @property
    def standing(self) -> NodeStanding:
        """What this node may do now."""
        return self._lease.standing(self._now())

    @property
    def current(self) -> bool:
        """Whether who answers now is the start of the server that this node's lease is from, over the same connection.

        Another start may have older data under the same era, until the first renewal gives it a new one. And by the
        first renewal over a connection the directory knows what comes late of an earlier one.
        """
        return self._link.server is not None and self._link.server == self._known

    async def look_again(self) -> None:
        """Learn which nodes there are now, if the directory can be asked."""
        try:
            await self._renew()
        except DirectoryUnavailable as error:
            _log.debug("lease not renewed", extra={"reason": str(error)})

    def reason(self) -> str | None:
        """Why no new openid can come to this node now; None where one can."""
        now = self._now()
        if self._lease.standing(now) is not NodeStanding.HELD:
            return f"the lease of this node is over, and the directory cannot renew it ({self._link.why})"
        if now < self._complete_at:
            return "the directory's data is new: until one lease is over, somebody may have what it does not know of"
        return None

    def wake(self) -> None:
        """Renew now: the directory was found, or knows more than this node."""
        self._wake.set()

    async def start(self) -> None:
        """Take the lease; raises DirectoryUnavailable."""
        await self._renew()
        self._task = asyncio.create_task(self._run(), name="cluster-lease")

    async def stop(self) -> None:
        """Renew no more; idempotent. The lease passes by itself, unless this node leaves."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def leave(self) -> None:
        """Count as dead from now on, if the directory can be told: nothing is acted on any more, behind ``stop``."""
        if self._link.up:
            try:
                await self._entries.leave()
            except DirectoryUnavailable as error:
                _log.debug("lease not given back", extra={"reason": str(error)})

    def _standings(self) -> dict[tuple[str, ...], float]:
        now = self.standing
        return {(standing.value,): standing is now for standing in NodeStanding}

    def _remaining(self) -> float:
        return round(max(0.0, self._lease.held_until - self._now()), 3)

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()
            except TimeoutError:
                pass  # it is time to
            self._wake.clear()
            try:
                await self._renew()
            except DirectoryUnavailable as error:
                _log.debug("lease not renewed", extra={"reason": str(error)})
                await self._have_vouched()
            self._notice()

    def _pause(self) -> float:
        """Until the next renewal, or until the standing may be another one."""
        now, step = self._now(), self._lease.length / RENEWALS
        ends = [until - now for until in (self._lease.held_until, self._lease.vouched_until) if until > now]
        return min(step, *ends) if ends else step

    async def _renew(self) -> None:
        server = self._link.server
        if server is None:
            raise DirectoryUnavailable(self._link.why)
        # Data that is lost later was there before: others may act on it.
        founding = self._founding and not self._lease.era
        sent, new_era = self._now(), secrets.token_hex(6)
        renewed = await self._entries.renew(self._about(), server, new_era, founding=founding)
        now, era_before = self._now(), self._lease.era
        self._known = server
        self.renewal_took = round(now - sent, 6)
        if renewed.era == new_era and not founding:
            self._complete_at = now + self._lease.length
        self.nodes = renewed.nodes
        self._promises.tend(now)
        if not renewed.was_there:  # others may have forgotten this node, and vouched for each other without it
            self._promises.joined = now
        begins = self._lease.renewed(sent, now, renewed.era, was_there=renewed.was_there)
        self._notice()
        if begins:
            self._count_terms.value += 1
            _log.info(
                "lease term begins",
                extra={"node": self._node, "term": self._lease.term, "new_data": renewed.era != era_before},
            )
        self._confirm()

    async def _have_vouched(self) -> None:
        """Ask all others that are known."""
        asked = self._now()
        others = [node.name for node in self.nodes if node.name != self._node]
        answers = await asyncio.gather(*map(self._vouched_by, others))
        if self._lease.vouched(asked, self._now(), answers):
            self._count_vouched.value += 1

    async def vouch(self, node: str, era: str) -> Vouched:
        """Vouch for another node, as it asks for (``Peers.vouch``)."""
        if not self._promises.vouch(node, era, self._lease, self._now()):
            return Vouched.REFUSED
        if self._link.up:
            try:
                refused = await self._entries.vouch(node, era)
            except DirectoryUnavailable as error:
                _log.debug("lease of another not renewed", extra={"node": node, "reason": str(error)})
            else:
                return Vouched.RENEWED if refused is None else Vouched.REFUSED
        return Vouched.PROMISED

    async def _vouched_by(self, node: str) -> Vouched:
        try:
            return await self._peers.vouch(node, self._lease.era)
        except PeerUnreachable as error:
            _log.debug("node does not vouch", extra={"node": node, "reason": str(error)})
            return Vouched.REFUSED

    def _notice(self) -> None:
        standing = self.standing
        if standing is self._standing:
            return
        before, self._standing = self._standing, standing
        if standing is NodeStanding.SUSPENDED:
            _log.warning("node suspended", extra={"node": self._node, "reason": self._link.why})
        elif self._lease.term > 1 or before is NodeStanding.VOUCHED:
            _log.info("node standing changed", extra={"node": self._node, "standing": standing.value})
        self._changed(standing)
