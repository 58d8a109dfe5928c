"""How much of the time is for new requests while there are more than can be done (protocol §3).

A loop that takes in whatever has come before it looks at what is finished does less the more it is offered: with a
queue in which not everybody gets a place, each request that is read is one more refusal, and the workers wait for their
answers to be looked at. So reading has its share then, and what is not read yet waits where it costs nothing: in the
socket, and at the clients, whose QUIC slows down. Nobody is left out: datagrams are read in the order in which they
came.
"""

from __future__ import annotations

from typing import Final, Protocol

REST: Final = 6.0
"""Times as long as refusing took is the rest after it: a seventh of the time is for refusing. What is read includes the
acknowledgements without which no answer leaves, and what is accepted: their part of a reading needs no rest."""
LONGEST: Final = 0.03
"""Seconds that a rest lasts at most. ACKs wait meanwhile; a peer's QUIC waits for them longer than the 50 ms that it is
told (``max_ack_delay``), and then sends again."""


class Waiting(Protocol):
    """Requests that wait for a worker."""

    @property
    def queue_length(self) -> int:
        """How many there are."""

    @property
    def crowded(self) -> bool:
        """Whether not everybody gets a place."""

    @property
    def submitted(self) -> int:
        """How many were accepted since the start."""

    @property
    def rejected(self) -> int:
        """How many were not."""

    @property
    def places(self) -> int:
        """From how many on that is so."""


class Pace:
    """A ``ports.ReadingPace`` that looks at the queue of requests: while there is a place, reading has no bound."""

    def __init__(self, queue: Waiting) -> None:
        self._queue = queue
        self._submitted = 0
        self._rejected = 0
        """As they were when the last reading with a crowd ended."""

    def rest(self, took: float, /) -> float:
        """See ``ports.ReadingPace``."""
        return min(REST * took * self._part_refused(), LONGEST) if self._queue.crowded else 0.0

    def over(self) -> bool:
        """See ``ports.ReadingPace``; half of the queue is free: the workers must not run out of work for a rest."""
        return 2 * self._queue.queue_length <= self._queue.places

    def _part_refused(self) -> float:
        """How much of what was read is refused."""
        submitted, rejected = self._queue.submitted, self._queue.rejected
        refused = rejected - self._rejected
        read = refused + submitted - self._submitted
        self._submitted, self._rejected = submitted, rejected
        return refused / read if read else 0.0
