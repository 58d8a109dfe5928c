"""Hand what the outbox numbered to the connection, never faster than the client takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from quicgw_fast.backend.errors import Overflowed
from quicgw_fast.ports import Recipient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quicgw_fast.types import PushType

CHUNK = 64 << 10
"""Bytes that are taken from the outbox at once when a connection catches up."""

R = TypeVar("R", bound=Recipient)


class OrderedSender(Generic[R]):
    """All numbered messages go through here; ``link`` gets them in order or not at all.

    While the connection is not ``ready``, messages stay in the outbox, where they are
    retained anyway, and ``pump`` continues from the cursor when the connection has room again. So a client that does
    not read costs no memory beyond its window.
    """

    def __init__(self, on_overflow: Callable[[R], None]) -> None:
        """``on_overflow`` is called once the recipient can only be reset (contract §5)."""
        self._on_overflow = on_overflow

    def reply(
        self,
        to: R,
        grid: int,
        msg_id: int,
        push_type: PushType,
        code: int,
        message: str,
        data: bytes,
        headers: Mapping[str, str],
    ) -> bool:
        """Send the reply to request ``grid`` with the notifies bound to it, as one step.

        False when the session overflowed. Raises the engine's NotInFlight and FrameTooLarge.
        """
        return self._step(to, lambda: to.outbox.reply(grid, msg_id, push_type, code, message, data, headers))

    def refuse(self, to: R, msg_id: int, code: int, message: str, detail: str, headers: Mapping[str, str]) -> bool:
        """Send a numbered error for a message that was not accepted; False when the session overflowed."""
        return self._step(to, lambda: to.outbox.refuse(msg_id, code, message, detail, headers))

    def release(self, to: R) -> bool:
        """Send what was cached before the login; False when the session overflowed."""
        return self._step(to, to.outbox.release)

    def push(self, to: R, body: bytes, *, kept: bool = False) -> None:
        """Send one notify; raises the engine's WindowFull, BudgetFull or Overflowed, and then nothing was sent.

        ``kept`` says that its original stays elsewhere, so that its loss is none.
        """
        self._flow(to, lambda: to.outbox.push(body, kept))

    def bind(self, to: R, grid: int, body: bytes, *, before: bool, expires_at: float) -> bool:
        """Bind a notify to the reply of ``grid``; True when it was sent at once, False when it is kept.

        Raises the engine's BindRefused, WindowFull or Overflowed.
        """
        return bool(self._flow(to, lambda: to.outbox.bind(grid, before, body, expires_at)))

    def overflow(self, to: R, *, notifies: int = 0) -> None:
        """Mark a session that had to miss something: it goes on only by a reset."""
        to.outbox.mark_overflow(notifies=notifies)
        self._on_overflow(to)

    def pump(self, to: R) -> None:
        """Hand over what is retained behind the cursor, as far as the connection has room."""
        link = to.link
        while link is not None and to.cursor < to.outbox.last_seq and link.ready():
            frames, to.cursor = to.outbox.replay(to.cursor, CHUNK)
            if not frames:  # overflowed: there is nothing to replay
                return
            link.send(frames)
            to.handed = max(to.handed, to.cursor)

    def _step(self, to: R, commit: Callable[[], bytes]) -> bool:
        """A commit that must not be refused: when it overflows, the session is marked and its connection told."""
        try:
            self._flow(to, commit)
        except Overflowed:
            self._on_overflow(to)
            return False
        return True

    def _flow(self, to: R, commit: Callable[[], bytes]) -> bytes:
        outbox, link = to.outbox, to.link
        caught_up = to.cursor == outbox.last_seq
        room = link if link is not None and caught_up and link.ready() else None
        frames = commit()
        if room is None:
            self.pump(to)  # in case the connection has room, but the cursor is behind: it must not stay there
        elif frames:
            room.send(frames)
            to.cursor = to.handed = outbox.last_seq
        return frames
