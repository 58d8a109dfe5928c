"""What a worker and its supervisor say to each other.

The supervisor writes into the pipe that is the worker's lifeline: the ports of all admin pages, whenever they may have
changed. When that pipe is closed, by whatever end of the supervisor, the worker stops. A worker writes to its standard
output: the line that it is ready, and later that somebody asked it for an end, which is meant for all of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from quicgw_fast.workers.seat import Seat

READY: Final = "ready "
"""How the line begins that a gateway prints once it listens (protocol §7)."""
END: Final = "end"
"""The line by which a worker passes on that everybody is to drain and stop."""

_MOST_READ = 64 << 10
"""All that a pipe holds."""


class SupervisorLine:
    """The worker's end, while the context lasts; for a gateway that is alone nobody is at the other one."""

    def __init__(self, seat: Seat, end: Callable[[], None]) -> None:
        """``end`` stops this process; it is called in the running loop."""
        self._lifeline = seat.lifeline
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._passed_on = False
        self._ports: list[int] = []

    def admin_ports(self) -> Sequence[int]:
        """Those of all workers, by their index; none for a gateway that is alone, and until all have started."""
        return self._ports

    def ask_for_end(self) -> None:
        """Have all workers and their supervisor drain and stop, or this gateway where it is alone."""
        if self._lifeline < 0:
            self._end()
        elif not self._passed_on:
            self._passed_on = True
            try:
                os.write(sys.stdout.fileno(), f"{END}\n".encode())
            except OSError:  # nobody reads it: the supervisor is gone, and this worker stops as well
                self._end()

    def _heard(self) -> None:
        said = os.read(self._lifeline, _MOST_READ)
        if said:
            self._ports = json.loads(said.splitlines()[-1])  # what is so short is never written in two pieces
            return
        self._loop.remove_reader(self._lifeline)  # it would stay readable
        self._end()

    def __enter__(self) -> SupervisorLine:
        if self._lifeline >= 0:
            self._loop.add_reader(self._lifeline, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lifeline >= 0:
            self._loop.remove_reader(self._lifeline)


def ports_line(ports: Sequence[int]) -> bytes:
    """Write what a worker's lifeline says of the admin ports."""
    return f"{json.dumps(ports)}\n".encode()
