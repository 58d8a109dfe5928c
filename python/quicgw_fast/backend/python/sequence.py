"""The three numbers of a session: last sent, last accepted from the client, last acknowledged by it."""

from __future__ import annotations

from typing import final

from quicgw_fast.backend.errors import FutureAck, NumbersUsedUp
from quicgw_fast.backend.python import checks


def check_left(last: int, n: int) -> None:
    """Raise NumbersUsedUp if there are no n numbers of 64 bits after last."""
    if last + n > checks.U64_MAX:
        raise NumbersUsedUp


@final
class SequenceAllocator:
    """Numbers of one session (protocol §3, §4, §5), all unsigned 64 bit.

    after: the number that the first next() follows; everything up to it counts as acknowledged.
    """

    __slots__ = ("__weakref__", "_acked", "_last", "_max_client_seq")

    def __init__(self, after: int = 0) -> None:
        self._last = checks.u64(after)
        self._acked = self._last
        self._max_client_seq = 0

    @property
    def last(self) -> int:
        """The number taken last."""
        return self._last

    @property
    def acked(self) -> int:
        """The highest number acknowledged."""
        return self._acked

    @property
    def max_client_seq(self) -> int:
        """The highest number accepted from the client, 0 before the first."""
        return self._max_client_seq

    def next(self) -> int:
        """Take the next number; NumbersUsedUp after the last one there is."""
        return self.next_many(1)

    def next_many(self, n: int) -> int:
        """Take n consecutive numbers and return the first; ValueError for 0, NumbersUsedUp as in next()."""
        n = checks.u64(n)
        if n == 0:
            raise ValueError("at least one number must be taken")
        check_left(self._last, n)
        self._last += n
        return self._last - n + 1

    def accept(self, seq: int) -> int:
        """Accept the client's next number and return 0, or change nothing and return the number expected.

        0 is never accepted. The first number may be any other, then each must be one more than the one
        before. After the highest number there is, nothing more can be accepted: NumbersUsedUp.
        """
        seq = checks.u64(seq)
        check_left(self._max_client_seq, 1)
        if not self._expects(seq):
            return self._max_client_seq + 1
        self._max_client_seq = seq
        return 0

    def _expects(self, seq: int) -> bool:
        """Whether accept() would accept it."""
        return seq == self._max_client_seq + 1 or (self._max_client_seq == 0 and seq > 0)

    def _accepted_up_to(self, seq: int) -> None:
        """Accept the client's next numbers up to this one."""
        self._max_client_seq = seq

    def _become(self, last: int, acked: int, max_client_seq: int) -> None:
        """Go on from where another one was."""
        self._last, self._acked, self._max_client_seq = last, acked, max_client_seq

    def ack(self, seq: int) -> bool:
        """Acknowledge everything up to seq; False if that is not news, FutureAck if it was never sent."""
        seq = checks.u64(seq)
        if seq > self._last:
            raise FutureAck(seq, self._last)
        if seq <= self._acked:
            return False
        self._acked = seq
        return True
