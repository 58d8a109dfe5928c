"""The exit statuses of every command, and what leads to them; docs/reference/codes.md has the same table."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """What a command's exit status means; above 128 it is 128 and the number of a signal, as shells count."""

    DONE = 0
    NO = 1
    """The gateway or service answered with an error, or not in time; a check of the demonstration failed; a load met
    a broken promise; a configuration has mistakes."""
    USAGE = 2
    """The command line is wrong."""
    FAILED = 3
    """It could not start, connect, or read a file; one sentence on standard error says why and what to do."""
    UNWRITTEN = 4
    """The output could not be written."""
    BUG = 70
    """Something that should not happen (EX_SOFTWARE of sysexits.h); the traceback is on standard error."""
    INTERRUPTED = 130
    """Ended by Ctrl-C (SIGINT): a client's command by the first one, a server by the second."""
    READER_GONE = 141
    """Whoever read the output went away (SIGPIPE), as ``| head`` does."""
    TERMINATED = 143
    """Ended by SIGTERM, as by Ctrl-C."""


class Interrupted(Exception):
    """The first signal came while something was waited for that it may break off."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
