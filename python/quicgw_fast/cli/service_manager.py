"""What a service manager is told of this process, by the protocol of systemd's sd_notify(3).

It gave a datagram socket's address in ``NOTIFY_SOCKET``, and maybe wants a sign of life in every ``WATCHDOG_USEC``.
Signs of life come from the event loop, so that one that hangs is noticed; a gateway that drains goes on giving them.
Without such a socket nothing happens, and nothing costs anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from typing import TYPE_CHECKING

from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from quicgw_fast.config import Config
    from quicgw_fast.reloading.reloader import ReadAgain

PART = 3
"""Signs of life in the time in which one is wanted: one may be late, another one lost."""
AGAIN = 1.0
"""Seconds after which what could not be told is told again, where no sign of life is wanted."""
SHORTEST, LONGEST = 10_000, 366 * 86_400 * 1_000_000
"""Microseconds of a watchdog. A loop with work to do is not sure to turn in less; nobody waits for more."""

_log = logging.getLogger("quicgw.cli")


class ServiceManager:
    """Whoever started this process and wants to know how it is; nobody, if ``address`` is None."""

    def __init__(self, address: str | None, patience: float | None = None) -> None:
        """``address`` is a path, or ``@`` and an abstract name; ``patience`` the seconds between two signs of life."""
        self._address = None if address is None else address.replace("@", "\0", 1) if address[0] == "@" else address
        self._patience = patience
        self._missed = False
        self._owed: tuple[str, ...] = ()
        """What it has to know and could not be told, as its socket was full at the moment."""
        self._status = ""
        self._silent = False
        """Whether another process speaks to it, for this one as well."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> ServiceManager:
        """Read what a service manager set; raises StartupError for what it can not have meant."""
        address = environment.get("NOTIFY_SOCKET") or None
        if address is not None and address[0] not in "/@":
            raise StartupError(f"NOTIFY_SOCKET is {address[:64]!r}; it must be a path, or @ and an abstract name")
        # It may be that of a process which started this one, and is watched itself.
        ours = environment.get("WATCHDOG_PID") in {None, str(os.getpid())}
        wanted = environment.get("WATCHDOG_USEC")
        if address is None or wanted is None or not ours:
            return cls(address)
        digits = wanted if wanted.isascii() and wanted.isdigit() and len(wanted) <= len(str(LONGEST)) else "0"
        if not SHORTEST <= int(digits) <= LONGEST:
            told = f"it must be a number of microseconds, from {SHORTEST} to {LONGEST} (WatchdogSec= of 10ms to a year)"
            raise StartupError(f"WATCHDOG_USEC is {wanted[:32]!r}; {told}")
        return cls(address, int(digits) / 1e6)

    def wait_for_turn(self) -> None:
        """Say nothing until ``take_turn``: it listens to the process before this one until that gives way."""
        self._silent = True

    def take_turn(self) -> None:
        """Speak from now on; what was to be said when everything listened first."""
        self._silent = False
        self.ready(self._status)

    def give_way(self, pid: int) -> None:
        """Say that another process is the gateway from now on, and nothing more."""
        self._state(f"MAINPID={pid}")
        self._silent = True

    def ready(self, status: str) -> None:
        """Say that everything listens; ``status`` is what its user is shown."""
        self._status = status
        self._state("READY=1", f"STATUS={status}")

    def stopping(self) -> None:
        """Say that the gateway drains."""
        self._state("STOPPING=1", "STATUS=draining")

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Give signs of life while the block runs, if they are wanted, and tell again what could not be told."""
        task = None if self._address is None else asyncio.create_task(self._live(self._patience), name="watchdog")
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def told_of(self, read_again: ReadAgain) -> ReadAgain:
        """Return what reads the configuration again, and tells of it when it begins and when it is over."""

        @contextlib.contextmanager
        def read() -> Iterator[Config]:
            self._state("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            refused = ", the configuration was refused"
            try:
                with read_again() as config:
                    yield config
                refused = ""
            finally:
                self._state("READY=1", f"STATUS={self._status}{refused}")

        return read

    async def _live(self, patience: float | None) -> None:
        while True:
            if self._owed:
                self._state(*self._owed)
            if patience is not None:
                self._tell("WATCHDOG=1")
            await asyncio.sleep(AGAIN if patience is None else patience / PART)

    def _state(self, *lines: str) -> None:
        """Tell of a state, once more with the next sign of life if it cannot be told; a newer one takes its place."""
        self._owed = () if self._tell(*lines) else lines

    def _tell(self, *lines: str) -> bool:
        """Send it without waiting, and say whether that went well; what cannot be sent is said in the log once."""
        if self._address is None or self._silent:
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as out:
                out.sendto("\n".join(lines).encode(), self._address)
            return True
        except OSError as error:
            if not self._missed:
                fields = {"reason": str(error), "line": lines[0], "remedy": "look at NOTIFY_SOCKET and NotifyAccess="}
                _log.warning("service manager not told", extra=fields)
            self._missed = True
            return False
