"""What files hold, as something to compare.

The content alone counts: a file that is replaced by a rename or by another target of a symbolic link has another inode,
and one that is written in place within a tick of its file system's clock has the same times, but what is read from
either is what matters. The files are small (``read_small``) and few.
"""

from __future__ import annotations

import errno
import hashlib
import stat
from typing import TYPE_CHECKING, Final

from quicgw_fast.config import read_small

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    Fingerprints = Mapping[Path, str]


NO_FILE: Final = "no regular file"
"""The fingerprint of a pipe or a device: what it gives is given once, and whoever reads it may wait for ever."""


def fingerprint(path: Path) -> str:
    """A digest of the content, or the name of the error that keeps it from being read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return NO_FILE
        return hashlib.sha256(read_small(path)).hexdigest()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "unreadable")


def fingerprints(paths: Iterable[Path]) -> dict[Path, str]:
    """The fingerprint of each file."""
    return {path: fingerprint(path) for path in paths}
