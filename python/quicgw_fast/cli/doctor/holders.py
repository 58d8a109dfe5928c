"""Who has a port: from the tables of sockets and of open files under ``/proc``, as ``ss -lpn`` finds it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTENS = "0A"
"""TCP_LISTEN."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a port."""

    pid: int
    command: str

    @property
    def is_ours(self) -> bool:
        """Whether it is a gateway, as far as its command line tells."""
        return "quicgw" in self.command

    def __str__(self) -> str:
        return f"{self.command[:60]!r}, process {self.pid}"


def holder(kind: str, port: int, proc: Path = Path("/proc")) -> Holder | None:
    """Return who has a ``tcp`` or ``udp`` port; None where nobody tells, as of processes of other users."""
    inodes = {f"socket:[{inode}]" for inode in _inodes(kind, port, proc)}
    for folder in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it belongs to somebody else, or has just ended
            if any(str(entry.readlink()) in inodes for entry in (folder / "fd").iterdir()):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                return Holder(int(folder.name), b" ".join(words).decode(errors="replace").strip())
    return None


def _inodes(kind: str, port: int, proc: Path) -> Iterator[str]:
    for table in (kind, f"{kind}6"):
        with contextlib.suppress(FileNotFoundError):  # a system without IPv6, or not Linux
            for line in (proc / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) == port and (kind == "udp" or fields[3] == _LISTENS):
                    yield fields[9]
