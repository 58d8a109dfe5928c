"""What can be read of an outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.backend.tally import Tally

if TYPE_CHECKING:
    from quicgw_fast.backend.python.hold import HoldCache
    from quicgw_fast.backend.python.line import Line
    from quicgw_fast.backend.python.notify import NotifyBuffers
    from quicgw_fast.backend.python.tickets import Tickets
    from quicgw_fast.backend.python.window import Counts


class Reading:
    """The state of an outbox and its properties; the steps that change it are in Outbox."""

    __slots__ = (
        "_accepted",
        "_binds",
        "_closed",
        "_delivered",
        "_dropped",
        "_held",
        "_line",
        "_lost",
        "_max_body",
        "_open",
        "_overflowed",
        "_releasing",
        "_saved",
        "_tickets",
    )

    _line: Line
    _binds: NotifyBuffers
    _open: set[int]
    _held: HoldCache
    _tickets: Tickets
    _releasing: bool
    _accepted: Counts
    _delivered: Counts
    _lost: Counts
    _saved: int
    _dropped: Counts
    _overflowed: bool
    _closed: bool
    _max_body: int

    @property
    def in_flight(self) -> int:
        """How many requests are accepted and not replied to."""
        return len(self._open)

    @property
    def bound(self) -> int:
        """How many notifies wait for the reply to their request."""
        return len(self._binds)

    @property
    def held(self) -> int:
        """How many notifies wait for release()."""
        return len(self._held.bodies)

    @property
    def releasing(self) -> bool:
        """Whether release() left something behind, which goes before anything new: push() raises WindowFull."""
        return self._releasing

    @property
    def max_client_seq(self) -> int:
        """The number of the last request accepted, 0 before the first."""
        return self._line.numbers.max_client_seq

    @property
    def last_seq(self) -> int:
        """The number of the last message sent."""
        return self._line.numbers.last

    @property
    def acked_seq(self) -> int:
        """The number of the last message acknowledged."""
        return self._line.numbers.acked

    @property
    def retained(self) -> int:
        """How many messages are kept for a resume."""
        return len(self._line.window.frames)

    @property
    def retained_bytes(self) -> int:
        """Bytes of the frames that are kept for a resume."""
        return self._line.window.bytes

    @property
    def memory(self) -> int:
        """Bytes taken from the budget: of what is retained, bound and held, and 96 for each message."""
        return self._line.share.taken

    @property
    def fill(self) -> float:
        """How full the window is, by messages or bytes, whichever is more: 1.0 is full, more the reserve."""
        return self._line.window.fill

    @property
    def overflowed(self) -> bool:
        """Whether the session overflowed."""
        return self._overflowed

    @property
    def dropped(self) -> tuple[int, int]:
        """How many (responses, notifies) never took a number because the session overflowed."""
        return self._dropped

    @property
    def tally(self) -> Tally:
        """The accounts of the session: what was accepted for delivery, and what became of it.

        Without notifies that were pushed as kept. What took a number stays open until it is acknowledged or the
        session ends, also after an overflow.
        """
        responses, notifies = zip(self._accepted, self._delivered, self._lost, strict=True)
        return Tally(*responses, *notifies, self._saved)

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed
