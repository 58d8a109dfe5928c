"""How much of the time is for new requests while there are more than can be done (protocol §3).

A loop that takes in whatever has come before it looks at what is finished does less the more it is offered: with a
queue in which not everybody gets a place, each request that is read is one more refusal, and the workers wait for their
answers to be looked at. So reading has its share then, and what is not read yet waits where it costs nothing: in the
socket, and at the clients, whose QUIC slows down. Nobody is left out: datagrams are read in the order in which they
came.
"""

from __future__ import annotations

from typing import Final, Protocol

REST: Final = 3.0
"""Times as long as reading took is the rest after it: a quarter of the time is for reading and refusing. What is read
includes the acknowledgements without which no answer leaves."""
LONGEST: Final = 0.01
"""Seconds that a rest lasts at most. ACKs wait meanwhile; a peer's QUIC sends again after 25 ms at the earliest."""


class Waiting(Protocol):
    """Requests that wait for a worker."""

    @property
    def queue_length(self) -> int:
        """How many there are."""

    @property
    def crowded(self) -> bool:
        """Whether not everybody gets a place."""

    @property
    def places(self) -> int:
        """From how many on that is so."""


class Pace:
    """A ``ports.ReadingPace`` that looks at the queue of requests: while there is a place, reading has no bound."""

    def __init__(self, queue: Waiting) -> None:
        self._queue = queue

    def rest(self, took: float, /) -> float:
        """See ``ports.ReadingPace``."""
        return min(REST * took, LONGEST) if self._queue.crowded else 0.0

    def over(self) -> bool:
        """See ``ports.ReadingPace``; half of the queue is free: the workers must not run out of work for a rest."""
        return 2 * self._queue.queue_length <= self._queue.places
