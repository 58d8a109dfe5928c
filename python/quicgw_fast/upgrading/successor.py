"""The process that follows: started, heard of once it listens, and heard of when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from quicgw_fast.errors import GatewayError, StartupError
from quicgw_fast.upgrading.line import UpgradeLine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.upgrading.estate import Estate
    from quicgw_fast.upgrading.heritage import Started
    from quicgw_fast.upgrading.ports import Bequeathed, HeldPorts

READY_WITHIN: Final = 60.0
"""Seconds that a start may take."""
NOT_THEIRS: Final = ("WATCHDOG_PID",)
"""By which a service manager said that its signs of life are wanted of one process alone."""


class UpgradeRefused(GatewayError):
    """There is no successor, and nothing has changed; the message says why."""


class SuccessorProcess:
    """Made by ``start``."""

    def __init__(self, process: Started, line: UpgradeLine, bequeathed: Bequeathed) -> None:
        self._process = process
        self._line = line
        self.steering = bequeathed.steering

    @classmethod
    async def start(
        cls, ports: HeldPorts, spawn: Callable[[Estate], Started], folder: Path, name: str
    ) -> SuccessorProcess:
        """Start it with all that this process, ``name``, has to give; StartupError where the system does not let it."""
        bequeathed = await ports.bequeath()
        ours, theirs = socket.socketpair()
        with theirs, bequeathed.quic:  # it has them by then, or nobody needs them
            estate = ports.estate(bequeathed, theirs, str(folder), name)
            try:
                process = await asyncio.to_thread(spawn, estate)
            except OSError as error:
                ours.close()
                raise StartupError(f"no process can be started: {error.strerror or error}") from error
        return cls(process, await UpgradeLine.open(ours), bequeathed)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ready(self) -> None:
        """Wait until it listens; UpgradeRefused when it does not, and then it is gone."""
        try:
            async with asyncio.timeout(READY_WITHIN):
                said = await self._line.hear()
        except TimeoutError:
            said = {"refused": f"it was not ready within {READY_WITHIN:g} s"}
        except asyncio.CancelledError:
            await self.kill()
            raise
        if said is None or "ready" not in said:
            status = await self.kill()
            why = f"it ended with status {status}, as the log says" if said is None else said.get("refused")
            raise UpgradeRefused(f"the successor could not start: {why}")

    async def hear(self) -> dict[str, Any] | None:
        """Wait for what it says next; None when it has ended."""
        return await self._line.hear()

    def say(self, **what: object) -> None:
        """Tell it something."""
        self._line.say(**what)

    async def kill(self) -> int:
        """End it at once, if it has not ended; its exit status."""
        await self._line.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        return await asyncio.to_thread(self._process.wait)

    async def let_go(self) -> None:
        """It goes on without this process."""
        await self._line.close()


def private_folder() -> Path:
    """Make a folder that is nobody else's (mode 0700)."""
    return Path(tempfile.mkdtemp(prefix="quicgw-upgrade-"))


def spawner(command: Sequence[str]) -> Callable[[Estate], Started]:
    """Return what starts a process by a command, to which the estate is added."""

    def spawn(estate: Estate) -> Started:
        environment = {name: value for name, value in os.environ.items() if name not in NOT_THEIRS}
        given = [*command, "--estate", estate.text()]
        return subprocess.Popen(given, env=environment, stdin=subprocess.DEVNULL, pass_fds=estate.descriptors)

    return spawn
