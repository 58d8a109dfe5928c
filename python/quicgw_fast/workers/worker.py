"""One worker: a process that is started, heard of once it listens, and started again when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quicgw_fast.workers.line import END, READY, ports_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quicgw_fast.clock import Clock
    from quicgw_fast.workers.seat import Seat

_log = logging.getLogger("quicgw.workers")


@dataclass(frozen=True, slots=True)
class RestartDelays:
    """How long a worker that ended stays away; all in seconds."""

    first: float = 0.5
    most: float = 30.0
    forgiven_after: float = 60.0
    """One that served for so long begins with the first delay again."""


class Worker:
    """The process in one seat, and those that follow it there."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        seat: Seat,
        clock: Clock,
        delays: RestartDelays,
        *,
        came: Callable[[], None],
        end: Callable[[], None],
    ) -> None:
        """``command`` is what a worker runs but for its seat, whose ``lifeline`` is made anew for each process.

        ``came`` is called whenever a process serves, and ``end`` when one was asked to end all of them.
        """
        self._command = command
        self._environment = environment
        self._seat = seat
        self._clock = clock
        self._delays = delays
        self._came = came
        self._end = end
        self._process: asyncio.subprocess.Process | None = None
        self._lifeline = -1
        self._began = 0.0
        self._delay = delays.first
        self.admin = ""
        """Where its admin pages are; known once it is ready."""
        self.restarts = 0

    @property
    def index(self) -> int:
        """Its place among all."""
        return self._seat.index

    async def start(self) -> bool:
        """Start a process and wait until it serves; False when it ended before, having said why on standard error."""
        reading, self._lifeline = os.pipe()
        os.set_blocking(self._lifeline, False)
        seat = replace(self._seat, lifeline=reading)
        self._began = self._clock.now()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                "--seat",
                seat.text(),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=(reading, seat.quic),
                # Ctrl-C is for the supervisor, which tells them in another way.
                start_new_session=True,
            )
        finally:
            os.close(reading)
        return await self._heard_of(self._process)

    async def _heard_of(self, process: asyncio.subprocess.Process) -> bool:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode(errors="replace").strip()
        if not line.startswith(READY):
            self._let_go()
            await process.wait()
            return False
        self.admin = line.rpartition("admin=")[2]
        _log.info("worker ready", extra={"worker": self.index, "pid": process.pid, "admin": self.admin})
        self._came()
        return True

    async def keep(self) -> None:
        """Wait for the end of the process, start another one after a while, and so on, until cancelled."""
        while True:
            status = await self._ended()
            served = self._clock.now() - self._began
            if served >= self._delays.forgiven_after:
                self._delay = self._delays.first
            fields = {"worker": self.index, "status": status, "served": round(served, 1), "again_in": self._delay}
            _log.error("worker ended", extra=fields)
            await asyncio.sleep(self._delay)  # one that cannot live must not take all of the machine's time
            self._delay = min(2 * self._delay, self._delays.most)
            self.restarts += 1
            await self.start()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is there."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it ended just now, and ``keep`` will hear of it
                self._process.send_signal(number)

    def tell_ports(self, ports: Sequence[int]) -> None:
        """Say where the admin pages of all workers are."""
        if self._lifeline >= 0:
            with contextlib.suppress(BrokenPipeError, BlockingIOError):  # it ended just now, or reads nothing any more
                os.write(self._lifeline, ports_line(ports))

    async def stop(self) -> int:
        """Have it stop as after a first signal, and return how it ended: 0 when all was in order."""
        self._let_go()
        return 0 if self._process is None else await self._ended()

    def kill(self) -> None:
        """End it at once; called where nothing can be waited for."""
        self.signal(signal.SIGKILL)

    async def _ended(self) -> int:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        async for line in process.stdout:
            if line.decode(errors="replace").strip() == END:
                _log.info("worker asked to end all", extra={"worker": self.index})
                self._end()
        status = await process.wait()
        self._let_go()
        return status

    def _let_go(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
