"""A node of a cluster, put together: its link to the directory, its lease, its claims, and the placement by them."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import socket
from typing import TYPE_CHECKING, Final

from quicgw_fast.cluster.address import DirectoryAddress
from quicgw_fast.cluster.claiming import Claiming
from quicgw_fast.cluster.confirming import Confirming
from quicgw_fast.cluster.entries import DirectoryEntries
from quicgw_fast.cluster.given import GivenAway
from quicgw_fast.cluster.keys import Keys
from quicgw_fast.cluster.lease import NodeStanding, OwnLease, Promises
from quicgw_fast.cluster.link import LONGEST_PAUSE, START_WITHIN, DirectoryLink, DirectoryUnavailable, DirectoryUnusable
from quicgw_fast.cluster.membership import Membership
from quicgw_fast.cluster.own_claims import OwnClaims
from quicgw_fast.cluster.placement import DirectoryPlacement
from quicgw_fast.cluster.recovery import Recovery
from quicgw_fast.cluster.replicas import Replicas
from quicgw_fast.cluster.sweeping import Sweeping
from quicgw_fast.cluster.taking import Taking
from quicgw_fast.cluster.telling import Telling
from quicgw_fast.config.values import write_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.cluster.own_claims import OwnClaim
    from quicgw_fast.cluster.peers import Peers
    from quicgw_fast.cluster.recovery import Retaining
    from quicgw_fast.config import ClusterConfig
    from quicgw_fast.observe import Metrics

LONGEST_ANSWER: Final = 0.5
"""Seconds in which the directory has to answer, as a START waits for it; with a short lease a quarter of that."""
ATTEMPTS: Final = 8
"""To connect within a lease, at least: once the directory is back, a node has less than one lease to find it."""
PAUSE: Final = 0.1
"""Seconds between two tries to take the first lease."""
ROUND_TRIPS: Final = 20
"""That a lease has to be long at least: a renewal takes one, and some may be lost."""
RENEWALS_TIMED: Final = 3
"""Of which the quickest counts: a process that starts is slow itself."""
TENDED_EVERY: Final = 1.0
"""Seconds between two looks at what passes with time."""

_log = logging.getLogger("quicgw.cluster")


def new_name(config: ClusterConfig) -> str:
    """By which others know a node: of one start alone, as what another start of it had is not there any more."""
    return f"{config.node_id or socket.gethostname()}.{secrets.token_hex(3)}"


class ClusterNode:
    """One node, from ``start`` to ``stop``."""

    def __init__(
        self,
        name: str,
        config: ClusterConfig,
        clock: Clock,
        metrics: Metrics,
        peers: Peers,
        *,
        about: Callable[[], dict[str, object]],
        void: Callable[[OwnClaim], None],
        changed: Callable[[NodeStanding], None],
        dead_for: float,
        retaining: Retaining | None = None,
        devices: int = 1,
        founding: bool = False,
    ) -> None:
        """``name`` is of this start alone (``new_name``). ``about`` gives what the others are to know of this node: its
        addresses, its version, its state. ``void`` is told of a claim that is somebody else's now, ``changed`` of
        another standing. What a node has claimed that is without a lease for ``dead_for`` seconds is forgotten.
        ``retaining`` says how sessions are kept in the directory, None that they are not. ``devices`` is how many
        sessions an openid may have, ``founding`` that nobody can have used this directory before.

        Raises ConfigError for a URL that cannot be used.
        """
        assert config.url is not None
        self.name = name
        self._config = config
        self._now = clock.now
        self._address = DirectoryAddress(config.url)
        self.lease = OwnLease(config.lease)
        self.promises = Promises(config.lease)
        self.claims = OwnClaims(devices)
        self.link = DirectoryLink(
            self._address,
            clock,
            metrics,
            answer_within=min(LONGEST_ANSWER, config.lease / 4),
            longest_pause=min(LONGEST_PAUSE, config.lease / ATTEMPTS),
            changed=self._directory_changed,
        )
        keep, recovery = (0.0, None) if retaining is None else (retaining.keep, self._recovery(retaining, metrics))
        about_it = self.link, Keys(config.name), self.name, devices, config.lease
        entries = DirectoryEntries(*about_it, self._current, keep)
        taking = Taking(entries, peers, self.promises, clock, devices=devices, recovery=recovery)
        whom = self.claims, self.lease, entries
        self.telling = Telling(*whom, taking, outdated=lambda: self.membership.wake(), void=void)
        self.replicas = Replicas(*whom, self._current, outdated=lambda: self.membership.wake(), void=void)
        self._confirming = Confirming(*whom, taking, clock, metrics, release=self.telling.release, void=void)
        self.membership = Membership(
            self.name,
            lambda: json.dumps(about()),
            self.lease,
            self.promises,
            self.link,
            entries,
            peers,
            clock,
            metrics,
            founding=founding,
            confirm=self._confirming.begin,
            changed=changed,
        )
        self.placement = self._make_placement(entries, taking, clock, metrics)
        leased = self.membership, self.lease, self.promises
        self._sweeping = Sweeping(name, *leased, entries, clock, metrics, dead_for=dead_for)
        self._tending: asyncio.Task[None] | None = None

    def _make_placement(
        self, entries: DirectoryEntries, taking: Taking, clock: Clock, metrics: Metrics
    ) -> DirectoryPlacement:
        given = GivenAway()
        claiming = Claiming(
            self.name,
            self.claims,
            self.lease,
            self.promises,
            entries,
            taking,
            self._confirming,
            self.telling,
            given,
            clock,
            metrics,
            accept_unseen=self._config.on_directory_loss == "accept",
            outdated=self.membership.wake,
        )
        return DirectoryPlacement(
            self.name, self.claims, self.lease, entries, claiming, self.telling, given, clock, metrics
        )

    async def start(self) -> None:
        """Join the cluster; raises DirectoryUnusable, which says what to do, where the directory cannot be used."""
        await self.link.start()
        try:
            await self._take_lease()
            self._check_lease(min([await self._renewal_takes() for _ in range(RENEWALS_TIMED)]))
        except DirectoryUnavailable as error:
            await self.stop()
            told = f"the directory {self._address} answers no longer ({error})"
            raise DirectoryUnusable(f"{told}; look at its log") from error
        except DirectoryUnusable:
            await self.stop()
            raise
        self._tending = asyncio.create_task(self._tend(), name="cluster-tend")

    async def stop(self) -> None:
        """Leave it, when nothing is acted on any more that is claimed; idempotent."""
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        await self._confirming.stop()
        await self.membership.stop()
        await self.placement.stop()
        await self.telling.stop()
        await self.membership.leave()
        await self.link.close()

    async def _take_lease(self) -> None:
        """Take it, if need be with some tries: machines are busy when gateways start. Raises DirectoryUnavailable."""
        until = self._now() + START_WITHIN
        while True:
            try:
                await self.membership.start()
            except DirectoryUnavailable:
                if self._now() > until:
                    raise
                await asyncio.sleep(PAUSE)  # nobody tells when the directory is less busy
            else:
                return

    def _recovery(self, retaining: Retaining, metrics: Metrics) -> Recovery:
        return Recovery(metrics, retaining.revive, lambda: self.lease.era if self._current() else "")

    def _current(self) -> bool:
        return self.membership.current

    async def _renewal_takes(self) -> float:
        began = self._now()
        await self.membership.look_again()
        return self._now() - began

    def _check_lease(self, round_trip: float) -> None:
        if self._config.lease < ROUND_TRIPS * round_trip:
            least = write_duration(round(ROUND_TRIPS * round_trip, 2))
            told = f"a renewal takes {write_duration(round(round_trip, 3))}"
            raise DirectoryUnusable(
                f"cluster.lease is {write_duration(self._config.lease)}, too short for this directory, where {told}; "
                f"set it to {least} or more"
            )

    def _directory_changed(self) -> None:
        if self.link.up:
            self.telling.directory_found()
        self.membership.wake()

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TENDED_EVERY)  # nobody waits for these ends to the moment
            self.placement.tend(self._now())
            try:
                await self._sweeping.step()
            except DirectoryUnavailable as error:
                _log.debug("claims not swept", extra={"reason": str(error)})
