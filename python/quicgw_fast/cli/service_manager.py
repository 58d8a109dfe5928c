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

_log = logging.getLogger("quicgw.cli")


class ServiceManager:
    """Whoever started this process and wants to know how it is; nobody, if ``address`` is None."""

    def __init__(self, address: str | None, patience: float | None = None) -> None:
        """``address`` is a path, or ``@`` and an abstract name; ``patience`` the seconds between two signs of life."""
        self._address = None if address is None else address.replace("@", "\0", 1) if address[0] == "@" else address
        self._patience = patience
        self._missed = False
        self._status = ""

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
        if not (wanted.isascii() and wanted.isdigit() and int(wanted)):
            raise StartupError(f"WATCHDOG_USEC is {wanted[:32]!r}; it must be a number of microseconds")
        return cls(address, int(wanted) / 1e6)

    def ready(self, status: str) -> None:
        """Say that everything listens; ``status`` is what its user is shown."""
        self._status = status
        self._tell("READY=1", f"STATUS={status}")

    def stopping(self) -> None:
        """Say that the gateway drains."""
        self._tell("STOPPING=1", "STATUS=draining")

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Give signs of life while the block runs, if they are wanted."""
        task = None if self._patience is None else asyncio.create_task(self._live(self._patience), name="watchdog")
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
            self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            refused = ", the configuration was refused"
            try:
                with read_again() as config:
                    yield config
                refused = ""
            finally:
                self._tell("READY=1", f"STATUS={self._status}{refused}")

        return read

    async def _live(self, patience: float) -> None:
        while True:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(patience / PART)

    def _tell(self, *lines: str) -> None:
        """Send it without waiting; what cannot be sent is said in the log once."""
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as out:
                out.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._missed:
                fields = {"reason": str(error), "line": lines[0], "remedy": "look at NOTIFY_SOCKET and NotifyAccess="}
                _log.warning("service manager not told", extra=fields)
            self._missed = True
