"""What this process takes in memory, and what its control group lets it take.

Both are files of the kernel's: ``/proc/self/statm`` has the pages that are resident, ``memory.max`` (cgroup v2) or
``memory.limit_in_bytes`` (v1) what the group may take together. A limit of a group further up counts as well, the
lowest of them. What the files say may change, also the limit, so they are read anew each time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UNLIMITED: Final = 1 << 60
"""Bytes from which on a limit of cgroup v1 means none: it writes the highest number there is, less a page."""


class ProcessMemory:
    """Looks at the files of the kernel. Elsewhere than on Linux there are none, and nothing is known.

    What cannot be read for a moment, as every descriptor is in use, is as it was the last time.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        """``root`` is where ``proc`` and ``sys`` are."""
        self._statm = root / "proc/self/statm"
        self._limits = tuple(_limit_files(root))
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._used = 0
        self._allowed: int | None = None
        self._trim = _find_trim()

    def used(self) -> int:
        """Bytes that are resident; 0 where nobody tells."""
        with contextlib.suppress(OSError):
            self._used = int(self._statm.read_text().split()[1]) * self._page
        return self._used

    def allowed(self) -> int | None:
        """Bytes that the group may take; None where no limit is set."""
        with contextlib.suppress(OSError):
            limits = [limit for limit in map(_limit, self._limits) if limit is not None]
            self._allowed = min(limits, default=None)
        return self._allowed

    def trim(self) -> None:
        """Have the allocator give back what it keeps: glibc's does so by itself only at the top of its heap."""
        if self._trim is not None:
            self._trim(0)


def _limit(file: Path) -> int | None:
    try:
        written = file.read_text().strip()
    except FileNotFoundError:  # the root group has none, and a group may be taken away
        return None
    return int(written) if written.isdigit() and int(written) < UNLIMITED else None


def _limit_files(root: Path) -> Iterator[Path]:
    """The files that bound this process: of its group and of all above it."""
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except FileNotFoundError:
        return
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "memory" in controllers.split(","):
            top, name = (
                (root / "sys/fs/cgroup/memory", "memory.limit_in_bytes")
                if controllers
                else (root / "sys/fs/cgroup", "memory.max")
            )
            # In a container the path may be that of the host, of which only the container's own part is mounted.
            inside = Path(path.lstrip("/"))
            for group in (inside, *inside.parents):
                yield top / group / name


def _find_trim() -> Callable[[int], int] | None:
    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim
