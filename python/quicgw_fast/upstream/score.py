"""What calls of one instance come to: written where a call ends, read where instances are judged."""

from __future__ import annotations

from dataclasses import dataclass, field

AGAINST_IT = frozenset({"UNAVAILABLE", "INTERNAL", "UNKNOWN", "UNIMPLEMENTED", "DEADLINE_EXCEEDED", "DATA_LOSS"})
"""Statuses, by name, that speak against the instance: no connection, a fault of its own, a call that it does not know.
All others speak against the request, or are its answer to it."""
FROM_AFAR = frozenset({"UNAVAILABLE", "CANCELLED"})
"""Statuses that may be the gateway's own words for a connection: no sign that the instance lives."""
PATIENCE = 1.0
"""Seconds that a call must have had before its timeout speaks against the instance: a client may ask for a millisecond
(the header ``timeout-ms``), and must not be able to take instances out by that."""


@dataclass(slots=True)
class Score:
    """Counts only grow, so that everybody who judges can take differences in a rhythm of his own."""

    answered: int = 0
    failed: int = 0
    """Calls whose end speaks against the instance."""
    signs: int = 0
    """Signs of life: ends of calls that only the service itself can have brought about."""
    in_a_row: int = 0
    """Failed since the last one that was answered."""
    took: list[float] = field(default_factory=list)
    """Seconds of each call that was answered, or not answered in time, since somebody last took the list."""
    peak: int = 0
    """Calls that were under way at most when one of them was answered, since somebody last set it to zero."""

    def late(self, seconds: float) -> None:
        """A call was not answered in ``seconds``."""
        if seconds >= PATIENCE:
            self.took.append(seconds)
            self._against()

    def failure(self, status: str) -> None:
        """A call ended with a gRPC status, given by name."""
        self.signs += status not in FROM_AFAR
        if status in AGAINST_IT:
            self._against()

    def _against(self) -> None:
        self.failed += 1
        self.in_a_row += 1
