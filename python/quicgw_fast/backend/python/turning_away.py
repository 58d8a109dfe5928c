"""Many requests refused in one step: in an overload that is most of what there is to do."""

from __future__ import annotations

from quicgw_fast.backend.errors import EngineError, OutboxClosed, WindowFull
from quicgw_fast.backend.python import checks, wire
from quicgw_fast.backend.python.envelope import Refusable, read_request
from quicgw_fast.backend.python.line import Message
from quicgw_fast.backend.python.reading import Reading
from quicgw_fast.backend.python.window import Kind


class TurningAway(Reading):
    """The step of an outbox that takes many requests."""

    __slots__ = ()

    def turn_away(self, messages: list[bytes], begin: int, body: bytes) -> tuple[int, bytes]:
        """Accept and refuse many requests at once, and return how many, with their frames.

        messages: envelopes as they came, from the one at begin on. body: the error that each of them gets, of
        encode_body(). Ends before the first message that is not an ordinary request with the number expected, or is
        a login, or to which something is bound; does fewer, and none after an overflow, where they do not fit: those
        are to be taken one by one. Raises FrameTooLarge, which changes nothing.
        """
        begin, body = checks.u64(begin), checks.octets(body)
        messages = [checks.octets(message) for message in messages]
        if self._closed:
            raise OutboxClosed
        wire.check_length(body, self._max_body)
        requests = self._refusable(messages[begin:])
        count = 0 if self._overflowed else len(requests)
        while count:
            step = [Message(request.msg_id, body, Kind.RESPONSE) for request in requests[:count]]
            try:
                if count > 1:
                    self._check_room(step)
                sent = self._line.send(step, reserve=True)
            except EngineError:
                count //= 2
                continue
            self._line.numbers._accepted_up_to(requests[count - 1].seq)
            self._accepted = self._accepted[0] + count, self._accepted[1]
            return count, sent
        return 0, b""

    def _check_room(self, step: list[Message]) -> None:
        """Raise WindowFull where not all of them fit: one step always fits into an empty window, these are many."""
        numbered = enumerate(step, self._line.numbers.last + 1)
        size = sum(len(wire.frame(message.msg_id, seq, message.body)) for seq, message in numbered)
        if not self._line.window.has_room(len(step), size, reserve=True):
            raise WindowFull

    def _refusable(self, messages: list[bytes]) -> list[Refusable]:
        """Return the requests with which messages begin that can be refused like this."""
        found: list[Refusable] = []
        for message in messages:
            request = read_request(message)
            if request is None:
                break
            expected = found[-1].seq + 1 == request.seq if found else self._line.numbers._expects(request.seq)
            if not expected or self._binds.count(request.seq):
                break
            found.append(request)
        return found
