"""A gateway among the processes that follow each other on its ports: what it needs of those before and behind it.

It is what ``joining.member`` is for a node of a cluster, but without a directory: for a while there are two, and one
started the other. While there is one everything is answered at once, as by a gateway that can have no successor.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from quicgw_fast.cluster.peering import NodeAccess, NodeClient
from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.errors import StartupError
from quicgw_fast.joining.elsewhere import OtherNodes
from quicgw_fast.upgrading.bequest import Bequest, process_name
from quicgw_fast.upgrading.desks import SuccessorDesk
from quicgw_fast.upgrading.heir import Heir
from quicgw_fast.upgrading.inheriting import Inheriting
from quicgw_fast.upgrading.neighbours import Neighbours
from quicgw_fast.upgrading.placement import NextOfKin
from quicgw_fast.upgrading.served import Served
from quicgw_fast.upgrading.successor import UpgradeRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.config import Config
    from quicgw_fast.control import Doors
    from quicgw_fast.flow.assembly import Path
    from quicgw_fast.flow.elsewhere import Elsewhere
    from quicgw_fast.joining.desk import Register
    from quicgw_fast.observe import Metrics
    from quicgw_fast.placement import Placement
    from quicgw_fast.transport import Listener
    from quicgw_fast.upgrading.heritage import Heritage

LAST_REPLIES: Final = 2.0
"""Seconds for replies that sessions are still owed which the successor has."""
INIT: Final = 1
"""The process that a container ends with."""

_log = logging.getLogger("quicgw.upgrade")


class Succession:
    """What a gateway needs of its neighbours, from ``start`` to ``stop``."""

    name: Final = ""
    """Outside nobody knows that there are two."""
    may_act: Final = None
    """Nobody else ever acts for what is here, so nothing is asked."""
    store: Final = None
    """Each has its own."""
    replicas: Final = None
    """Nobody goes on from what a process leaves that dies."""

    def __init__(
        self,
        heritage: Heritage,
        config: Callable[[], Config],
        clock: Clock,
        metrics: Metrics,
        path: Callable[[], Path],
        register: Register,
        doors: Doors,
        listener: Callable[[], Listener | None],
    ) -> None:
        """``path`` gives the way of a message, which is put together after this; ``register`` takes a service in here.

        ``config`` is what is in use; ``doors`` and ``listener`` are those of the gateway.
        """
        self._heritage = heritage
        self._config = config
        self._clock = clock
        self._path = path
        self._register = register
        self._doors = doors
        self._listener = listener
        self._name = process_name(heritage.pid)
        self._neighbours = neighbours = Neighbours()
        self._client = client = NodeClient(self._name, NodeAccess(), self._address_of)
        self._inheriting = inheriting = Inheriting(neighbours, client, lambda came: path().moving.arrive(came))
        self._placement = placement = NextOfKin(neighbours, client, inheriting)
        take = lambda handed: path().moving.abroad.take(handed)  # noqa: E731
        self._elsewhere = OtherNodes(clock, metrics, client, placement, take)
        self._served: Served | None = None
        self._heir: Heir | None = None
        self._bequest: Bequest | None = None
        self._asked: set[asyncio.Task[None]] = set()

    @property
    def placement(self) -> Placement:
        """Where openids live."""
        return self._placement

    @property
    def elsewhere(self) -> Elsewhere:
        """The other process."""
        return self._elsewhere

    @property
    def everywhere(self) -> Served:
        """What services and operators are served with; there after ``start``."""
        assert self._served is not None
        return self._served

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return not self._neighbours.there

    def tend(self, now: float) -> None:
        """Nothing passes with time."""

    async def start(self) -> None:
        """Reach the predecessor, where there is one."""
        path, neighbours = self._path(), self._neighbours
        here = path.services, path.kicks, self._register
        self._served = Served(self._name, self._clock, neighbours, self._client, self._placement, *here)
        if self._heritage.estate is not None:
            lost, owns = self._gone, self._heritage.owns
            self._heir = Heir(self._heritage.estate, neighbours, self._inheriting, lost=lost, owns=owns)
            await self._heir.start(self._name, SuccessorDesk(path, self._register, self._served))

    def ready(self) -> None:
        """Everything listens."""
        if self._heir is not None:
            self._heir.ready()

    def leave(self) -> bool:
        """This process is to stop; whether its successor goes on, and not the gateway ends with it."""
        if self._heir is not None:
            self._heir.leave()
        return bool(self._neighbours.behind)

    async def fetched(self, deadline: float) -> None:
        """Wait until the successor has all sessions, or until ``deadline`` (monotonic)."""
        if self._bequest is not None:
            await self._bequest.gone(deadline)

    async def stop(self) -> None:
        """Leave both; idempotent."""
        for task in self._asked:
            task.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)
        await self._elsewhere.stop(LAST_REPLIES)
        if self._served is not None:
            await self._served.stop()
        for part in (self._bequest, self._heir):
            if part is not None:
                await part.stop()
        await self._client.close()

    # What operators ask for

    async def upgrade(self) -> dict[str, object]:
        """Start a successor and let it serve; what ``POST /upgrade`` answers. Raises UpgradeRefused."""
        self._require()
        bequest = self._bequest = Bequest(
            self._name,
            self._heritage,
            self._neighbours,
            self._clock,
            self._path(),
            self.everywhere,
            self._register,
            self._doors,
            self._half_open,
            lambda: self._config().processor.drain_timeout,
        )
        try:
            pid = await bequest.begin()
        except StartupError as error:
            raise UpgradeRefused(str(error)) from error
        return {"pid": pid, "sessions": bequest.left}

    def ask(self) -> None:
        """Do so for whoever waits for no answer; what comes of it is in the log."""
        task = asyncio.create_task(self._tried(), name="upgrade")
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def look(self) -> dict[str, object]:
        """Say how far an upgrade is, as ``GET /upgrade`` tells it."""
        before = "" if self._heir is None else self._heir.predecessor
        left: int | None = None
        if before:
            try:
                left = (await self._client.describe(before)).sessions
            except PeerUnreachable as error:
                _log.debug("predecessor not asked", extra={"reason": str(error)})
        return {"pid": self._heritage.pid, "predecessor": bool(before), "sessions_left": left}

    async def _tried(self) -> None:
        try:
            await self.upgrade()
        except UpgradeRefused as error:
            _log.error("upgrade refused", extra={"reason": str(error)})

    def _require(self) -> None:
        """Raise UpgradeRefused where there can be no successor now."""
        if self._path().draining.leaving:
            raise UpgradeRefused("the gateway stops")
        if self._heir is not None and self._heir.predecessor:
            raise UpgradeRefused("the process before this one has not ended yet: try again when it has")
        if self._bequest is not None and not self._bequest.over:
            raise UpgradeRefused("an upgrade is under way")
        if self._heritage.pid == INIT:
            raise UpgradeRefused("this container ends with this process: start another container instead")
        store = self._config().offline.store
        if store != "off":
            raise UpgradeRefused(f'offline.store = "{store}" belongs to one process: restart the gateway instead')

    # What the parts ask

    def _half_open(self) -> int:
        listener = self._listener()
        return 0 if listener is None else listener.half_open

    async def _address_of(self, node: str) -> str | None:
        if self._bequest is not None and node == self._neighbours.behind:
            return f"unix:{self._bequest.folder / node}"
        if self._heir is not None and node == self._heir.predecessor:
            return f"unix:{self._heir.folder / node}"
        return None  # it is no more

    def _gone(self, node: str) -> None:
        """Whatever it had to answer it will not, and nobody asks it."""
        self._path().moving.abroad.gateway_lost(node)
        self._client.keep(self._neighbours.there)
