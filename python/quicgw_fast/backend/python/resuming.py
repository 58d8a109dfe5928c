"""Acknowledgement, and what a client that comes back is given again or told to have missed."""

from __future__ import annotations

from quicgw_fast.backend.python import checks, wire
from quicgw_fast.backend.python.budget import cost
from quicgw_fast.backend.python.reading import Reading
from quicgw_fast.backend.python.tickets import NO_TICKET
from quicgw_fast.backend.python.window import Kind, add_counts


class Resuming(Reading):
    """What an outbox does with what it retains."""

    __slots__ = ()

    def ack(self, seq: int) -> int:
        """Acknowledge all up to seq and return how many frames were freed; FutureAck above last_seq."""
        acked = self.acked_seq
        if not self._line.numbers.ack(seq):
            return 0
        frames, size, counts = self._line.window.free(self.acked_seq - acked)
        self._line.share.give_back(cost(frames, size))
        if not self._closed:
            self._delivered = add_counts(self._delivered, counts)
        return frames

    def replay(self, after: int, max_bytes: int) -> tuple[bytes, int]:
        """Return retained frames numbered above after, oldest first, and the number of the last one of them.

        As many as max_bytes hold, but at least one if there is one; if there is none, b"" and the higher one
        of after and acked_seq.
        """
        after, max_bytes = max(checks.u64(after), self.acked_seq), checks.u64(max_bytes)
        frames: list[bytes] = []
        size = 0
        for frame, _ in self._line.window.after(after - self.acked_seq):
            size += len(frame)
            if frames and size > max_bytes:
                break
            frames.append(frame)
        return b"".join(frames), after + len(frames)

    def missed(self, after: int) -> tuple[int, int]:
        """Count (responses, notifies) numbered above after that are not acknowledged, retained or not.

        Without notifies that were pushed as kept.
        """
        return self._line.window.kinds(max(checks.u64(after) - self.acked_seq, 0))

    def unsent(self, after: int) -> list[bytes]:
        """Return the bodies of notifies numbered above after, oldest first, and then of those held.

        Without what is bound to a request or was, and without notifies that were pushed as kept. Changes
        nothing.
        """
        after = max(checks.u64(after), self.acked_seq)
        numbered = enumerate(self._line.window.after(after - self.acked_seq), after + 1)
        bodies = [wire.body_of(frame, seq) for seq, (frame, kind) in numbered if kind is Kind.NOTIFY]
        return bodies + self._held.bodies

    def unsent_names(self, after: int) -> list[tuple[int, int]]:
        """Return of each notify of unsent() the number, and of one without a number 0 and its ticket."""
        after = max(checks.u64(after), self.acked_seq)
        numbered = enumerate(self._line.window.after(after - self.acked_seq), after + 1)
        numbers = [(seq, NO_TICKET) for seq, (_, kind) in numbered if kind is Kind.NOTIFY]
        return numbers + [(0, ticket) for ticket in self._held.tickets]
