"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """A gateway starts, and somebody will be sorry for it one night."""
    PROBLEM = "problem"
    """A gateway does not start, or serves nobody."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was looked at."""

    check: str
    """What was looked at, in a word or two."""
    level: Level
    found: str
    remedy: str = ""
    """The command or the key that mends it; empty where nothing needs it."""


def fine(check: str, found: str) -> CheckResult:
    """Nothing to do."""
    return CheckResult(check, Level.OK, found)


def warning(check: str, found: str, remedy: str) -> CheckResult:
    """Works, and should not stay so."""
    return CheckResult(check, Level.WARNING, found, remedy)


def problem(check: str, found: str, remedy: str) -> CheckResult:
    """Does not work."""
    return CheckResult(check, Level.PROBLEM, found, remedy)


def refused(check: str, error: Exception | str) -> CheckResult:
    """What a gateway would refuse to start with, in its own words, which say at their end what to do."""
    told = str(error).removeprefix("bad configuration: ")
    mark = "; " if "; " in told else ": "
    found, _, remedy = told.rpartition(mark)
    return problem(check, found or remedy, remedy if found else "")
