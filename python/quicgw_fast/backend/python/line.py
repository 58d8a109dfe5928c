"""The one line in which the messages of a session leave: numbered, framed and kept in the same step."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.backend.errors import WindowFull
from quicgw_fast.backend.python import wire
from quicgw_fast.backend.python.budget import ByteBudget, Share, cost
from quicgw_fast.backend.python.sequence import SequenceAllocator, check_left

if TYPE_CHECKING:
    from quicgw_fast.backend.python.window import Kind, Window


class Message(NamedTuple):
    """A message that has no number yet."""

    msg_id: int
    body: bytes
    kind: Kind


class Line:
    """The numbers of a session, what it retains, and the memory that it takes."""

    __slots__ = ("numbers", "share", "window")

    def __init__(self, numbers: SequenceAllocator, window: Window, budget: ByteBudget | None) -> None:
        self.numbers = numbers
        self.window = window
        self.share = Share(budget)

    def send(self, messages: list[Message], *, reserve: bool, freed: int = 0) -> bytes:
        """Number, encode, frame and retain the messages of a step; WindowFull and BudgetFull change nothing.

        A step fits into an empty window whatever its size (protocol §4), else into the bounds, with the reserve a
        quarter beyond. freed: what its bodies cost that the share has already, as bound or held.
        """
        if not messages:
            return b""
        check_left(self.numbers.last, len(messages))
        first = self.numbers.last + 1
        frames = [wire.frame(message.msg_id, seq, message.body) for seq, message in enumerate(messages, first)]
        size = sum(map(len, frames))
        if self.window.frames and not self.window.has_room(len(frames), size, reserve=reserve):
            raise WindowFull
        joined = b"".join(frames)
        self.share.take(cost(len(frames), size) - freed, reserve=reserve)
        for frame, message in zip(frames, messages, strict=True):
            self.window.keep(frame, message.kind)
        self.numbers.next_many(len(frames))
        return joined

    def fitting(self, bodies: list[bytes]) -> int:
        """Return how many of these notifies, which are in the share already, can be sent now, in their order."""
        count = size = heads = 0
        for body in bodies:
            frame = len(wire.frame(0, self.numbers.last + count + 1, body))
            size += frame
            heads += frame - len(body)
            alone = count == 0 and not self.window.frames
            if not (alone or self.window.has_room(count + 1, size, reserve=True)):
                break
            if not self.share.has_room(heads, reserve=True):
                break
            count += 1
        return count

    def drop_frames(self) -> None:
        """Forget what is retained, but not what it was."""
        self.window.drop_frames()
        self.share.give_back_all()
