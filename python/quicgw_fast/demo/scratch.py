"""A temporary folder that goes with its process, in the end also when that is killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

PREFIX = "quicgw-dev-"


class Scratch:
    """A folder of its own, locked while the process lives: a lock goes with its owner, whatever becomes of that.

    The next one removes those that nobody holds any more. A number of a process would tell less: another container may
    share the folder for temporary files, and not the processes.
    """

    def __init__(self) -> None:
        remove_leftovers()
        self.path, self._lock = _locked_folder()

    def remove(self) -> None:
        """Remove it now; harmless when it is gone."""
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self._lock)
        self._lock = -1


def remove_leftovers() -> None:
    """Remove the folders of processes that were killed; what cannot be removed is left for the next one."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            _remove_unless_held(path)


def _remove_unless_held(path: Path) -> None:
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        return
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if _take(lock, wait=False):
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


def _locked_folder() -> tuple[Path, int]:
    """Make a folder; again, if it was taken for a leftover before it could be locked."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = os.open(path, os.O_RDONLY)
        _take(lock, wait=True)
        if path.exists():
            return path, lock
        os.close(lock)


def _take(lock: int, *, wait: bool) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows, where nothing is locked and nothing taken for a leftover
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
