"""Whether a file has changed since it was last read, and is not being written any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.reloading.fingerprints import fingerprints

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from quicgw_fast.reloading.fingerprints import Fingerprints


class FileWatch:
    """Compares what is there with what was last read, whatever came of that: a broken file is read once."""

    def __init__(self) -> None:
        self._read: dict[Path, str] = {}
        """As the files were when they were last read."""
        self._looked: Fingerprints = {}
        """As they were at the last look."""

    def reading(self, paths: Iterable[Path]) -> Fingerprints:
        """Note what the files hold, right before they are read; what changes after it will be seen."""
        found = fingerprints(paths)
        self._read.update(found)
        return found

    def only(self, paths: Iterable[Path]) -> None:
        """Forget all files but these."""
        kept = set(paths)
        self._read = {path: found for path, found in self._read.items() if path in kept}

    def look(self) -> bool:
        """Whether some file is another than when it was read, and the same as at the last look.

        A file that is written in several steps is another one at each look until it is complete; and of a certificate
        and its key, which are written one after the other, both have come by the second look.
        """
        before, self._looked = self._looked, fingerprints(list(self._read))
        return self._looked != self._read and self._looked == before
