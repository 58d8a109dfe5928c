"""The predecessor's part: it starts a successor, lets that listen, and gives it one client after the other.

1. The successor starts, on ports that it was given. It reads the configuration and whatever that names. Where anything
   of it is wrong it says why and ends, and nothing has changed.
2. It listens. From now on it alone takes clients in, and answers services and operators. Connections that are there
   stay here, and so do handshakes under way, until those have ended.
3. Clients are sent to it at a pace. Each comes back there, and its session is fetched. What runs for it here ends here,
   and the reply follows.
4. The sessions whose clients are away are fetched, too. The last of the requests are answered, and this process ends.

Until the last session has gone the successor may die, and then this process goes on as if there had been none: what
had gone died with it.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from itertools import islice
from typing import TYPE_CHECKING, Final

from quicgw_fast.cluster.peering import NodeAccess, NodeServer
from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.upgrading.desks import PredecessorDesk
from quicgw_fast.upgrading.successor import SuccessorProcess, UpgradeRefused, private_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path as FilePath

    from quicgw_fast.clock import Clock
    from quicgw_fast.control import Doors
    from quicgw_fast.flow.assembly import Path
    from quicgw_fast.joining.desk import Register
    from quicgw_fast.upgrading.heritage import Heritage
    from quicgw_fast.upgrading.neighbours import Neighbours
    from quicgw_fast.upgrading.served import Served

LOOK: Final = 0.05
"""Seconds between two looks at what is left."""
HANDSHAKES_WITHIN: Final = 5.0
"""Seconds in which those that are under way end here."""
NAMED_AT_ONCE: Final = 256
"""Openids whose sessions the successor is told to take; more when those have gone."""
NAMED_AGAIN: Final = 2.0
"""Seconds after which those are named again that have not."""

_log = logging.getLogger("quicgw.upgrade")


class Bequest:
    """One upgrade, from ``begin`` to the end of the process or of its successor."""

    def __init__(
        self,
        name: str,
        heritage: Heritage,
        neighbours: Neighbours,
        clock: Clock,
        path: Path,
        served: Served,
        register: Register,
        doors: Doors,
        half_open: Callable[[], int],
        longest: Callable[[], float],
    ) -> None:
        """``name`` is that of this process; ``half_open`` tells how many clients are in their handshake.

        ``longest`` are the seconds that sessions may take to follow their clients.
        """
        self._name = name
        self._heritage = heritage
        self._neighbours = neighbours
        self._now = clock.now
        self._path = path
        self._served = served
        self._register = register
        self._doors = doors
        self._half_open = half_open
        self._longest = longest
        self._folder = private_folder()
        self._server: NodeServer | None = None
        self._successor: SuccessorProcess | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._given = False
        """Whether the successor is the gateway, and this process is about to end."""
        self._over = False

    @property
    def folder(self) -> FilePath:
        """Where both are reached."""
        return self._folder

    @property
    def over(self) -> bool:
        """Whether there is no successor any more, and this process goes on."""
        return self._over

    @property
    def left(self) -> int:
        """Sessions that are still here, or are not known to have arrived."""
        return len(self._path.registry) + self._path.moving.departed.unconfirmed

    async def begin(self) -> int:
        """Start a successor and let it serve; its process id. UpgradeRefused when there is none.

        Raises StartupError for what the system refuses. Nothing has changed then.
        """
        desk = PredecessorDesk(self._path, self._register)
        self._server = await NodeServer.start_on(self._folder / self._name, desk, NodeAccess())
        try:
            give = self._heritage.ports, self._heritage.spawn
            self._successor = successor = await SuccessorProcess.start(*give, self._folder, self._name)
            await successor.ready()
            await self._know(successor)
        except BaseException:
            await self._close()
            self._over = True
            raise
        self._give_way(successor)
        return successor.pid

    async def stop(self) -> None:
        """End with this process, whatever is left: the successor goes on, or is not needed any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._successor is not None:
            await self._successor.let_go()
        await self._close()

    async def gone(self, deadline: float) -> None:
        """Have the successor take all sessions, until ``deadline`` (monotonic) at the latest."""
        while self.left and self._successor is not None and self._neighbours.behind and self._now() < deadline:
            named = self._some()
            self._successor.say(take=list(named))
            again = min(deadline, self._now() + NAMED_AGAIN)
            while self._now() < again and named & self._some():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(LOOK)
        if self.left:
            _log.warning("sessions not inherited", extra={"sessions": self.left})

    def _some(self) -> set[str]:
        """Openids of what is left: of a few, if it is much."""
        here = (session.openid for session in islice(self._path.registry, NAMED_AT_ONCE))
        return {*here, *self._path.moving.departed.open_openids()}

    # Steps

    async def _know(self, successor: SuccessorProcess) -> None:
        """Tell it which services there are; it may be called from now on."""
        self._neighbours.behind = process_name(successor.pid)
        try:
            await self._served.pass_on(self._neighbours.behind)
        except BaseException as error:
            self._neighbours.behind = ""
            await successor.kill()
            if isinstance(error, PeerUnreachable):
                raise UpgradeRefused(f"the successor does not answer: {error}") from error
            raise

    def _give_way(self, successor: SuccessorProcess) -> None:
        self._path.hand_out.succeeded(by_another=True)
        successor.steering.give_newcomers()
        self._doors.turn_away()  # before this one's own caller knows of the other
        _log.info("successor serves", extra={"pid": successor.pid, "sessions": self.left})
        for work, name in (
            (self._hand_over(successor), "hand-over"),
            (self._doors.leave(), "doors"),
            (self._hear(successor), "successor"),
        ):
            self._tasks.append(asyncio.create_task(work, name=name))

    async def _hand_over(self, successor: SuccessorProcess) -> None:
        until = self._now() + HANDSHAKES_WITHIN
        while self._half_open() and self._now() < until:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(LOOK)
        successor.steering.give_handshakes()
        await self._path.hand_out.send_on()
        await self.gone(self._now() + self._longest())
        _log.info("sessions inherited", extra={"pid": successor.pid})
        await self._doors.left()
        # In this order: the service manager believes the successor once it knows that process.
        self._heritage.gives_way(successor.pid)
        successor.say(done=True)
        self._given = True
        self._heritage.end()

    async def _hear(self, successor: SuccessorProcess) -> None:
        while (said := await successor.hear()) is not None:
            if "leaving" in said:  # whoever stops it means this process as well
                self._neighbours.behind = ""
                self._heritage.end()
                return
        status = await successor.kill()
        if self._given or self._path.draining.leaving:
            return  # this process ends, too
        _log.error("successor ended early", extra={"status": status, "effect": "this process goes on"})
        await self._resume(successor)

    async def _resume(self, successor: SuccessorProcess) -> None:
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._neighbours.behind = ""
        successor.steering.take_back()
        self._path.hand_out.succeeded(by_another=False)
        self._path.moving.departures.take_back()
        await self._doors.open()
        await self._close()
        self._over = True

    async def _close(self) -> None:
        if self._server is not None:
            await self._server.stop()
        if not self._neighbours.behind:  # else it has things there, and removes the folder behind this process
            shutil.rmtree(self._folder, ignore_errors=True)


def process_name(pid: int) -> str:
    """What a process is called by its neighbours."""
    return f"process-{pid}"
