"""Lines of a pipe or a file: answers go to standard output, everything else to standard error."""

from __future__ import annotations

import sys

from quicgw_fast.cli.daemon import in_daemon


class Script:
    """Reads standard input in a thread: nobody knows when its next line comes."""

    goes_on = False

    def __init__(self) -> None:
        self._number = 0

    async def next(self) -> str | None:
        """Wait for a line; None at the end."""
        self._number += 1
        if sys.stdin is None:
            return None
        line = await in_daemon(sys.stdin.readline)
        return line or None

    def say(self, text: str) -> None:
        """Write it to standard error."""
        sys.stderr.write(f"quicgw: {text}\n")

    def reject(self, text: str) -> None:
        """Write it to standard error, with the number of the line."""
        sys.stderr.write(f"quicgw: line {self._number}: {text}\n")

    def learn(self, action: str) -> None:
        """Nobody is to be helped."""
