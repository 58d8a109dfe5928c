"""How much processor time a process and its children have used, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

from quicgw_fast.errors import StartupError

_PROC = Path("/proc")
_TICK = 1 / os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM = 1, 11, 12
"""Places of ppid, utime and stime behind the command's name, see proc_pid_stat(5)."""


class ProcessorTime:
    """The time of one process and all that it has started; StartupError when it is not there at the start."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._latest: dict[int, float] = {}
        if not (_PROC / "self/stat").exists():
            raise StartupError("--pid needs /proc, which this system does not have; leave it out")
        if _used(pid) is None:
            raise StartupError(f"--pid: there is no process {pid}; give the number of the gateway's process")

    @classmethod
    def of_gateway(cls, pid: int) -> ProcessorTime:
        """The time of a gateway; StartupError for a process whose time is also that of this one."""
        if pid in _ancestors(os.getpid()):
            raise StartupError(
                f"--pid: process {pid} has started this command; give the number of the gateway's process"
            )
        return cls(pid)

    def seconds(self) -> float:
        """Return user and system time so far, of those that have ended, too, as far as they were seen."""
        pids = [self._pid]
        while pids:
            pid = pids.pop()
            used = _used(pid)
            if used is not None:
                self._latest[pid] = used
                pids += _children(pid)
        return sum(self._latest.values())


def _used(pid: int) -> float | None:
    try:
        # The command's name may hold spaces and brackets; behind its last bracket are numbers alone.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return (int(fields[_USER]) + int(fields[_SYSTEM])) * _TICK


def _ancestors(pid: int) -> list[int]:
    """The process and all from which it comes: what they use is what this command uses, too."""
    found: list[int] = []
    while pid > 0:
        found.append(pid)
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        pid = int(fields[_PARENT])
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in (_PROC / str(pid) / "task").glob("*/children"):
        try:
            found += map(int, thread.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended meanwhile, and its children belong to another one
    return found
