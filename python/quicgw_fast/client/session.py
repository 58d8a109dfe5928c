"""The client's side of one session: numbers up, order down, what to acknowledge, what to send again.

Pure state (protocol §3 to §5): no sockets, no event loop, no clock; time is an argument, in seconds.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

from quicgw_fast.client.errors import NumberGap, ProtocolFailure
from quicgw_fast.client.messages import Ticket
from quicgw_fast.client.wire import ResumeClaim, business_msg_id
from quicgw_fast.codes import ResetReason

if TYPE_CHECKING:
    from quicgw_fast.client.wire import StartAnswer


ACK_BYTES = 64 << 10
"""Received bytes after which an acknowledgement goes out at once, however few messages they were: the gateway keeps
every message until it comes, and its window (1 MiB by default) may hold no more than one."""
OFFLINE_IDS = 1024
"""Ids of stored notifies that are remembered, to drop those that come again after a reset."""


class NumberedRequest:
    """One request that took a number, until its reply. Subclasses add who waits for it."""

    __slots__ = ("seq", "size")

    def __init__(self) -> None:
        self.seq = 0
        """Its number in the session, 0 until it is first sent."""
        self.size = 0
        """Bytes that it took on the wire; before it is sent, about that."""


R = TypeVar("R", bound=NumberedRequest)


class Start(Enum):
    """What an accepted START meant."""

    FRESH = "fresh"
    RESUMED = "resumed"
    RESET = "reset"


@dataclass(slots=True)
class StartOutcome(Generic[R]):
    """What follows from an accepted START."""

    start: Start
    resend: list[R] = field(default_factory=list)
    """Requests that the gateway has not got, by their numbers."""
    lost: list[R] = field(default_factory=list)
    """Requests of the previous session, of which nobody knows whether they ran."""
    not_taken: list[R] = field(default_factory=list)
    """Requests of the previous session that its gateway said it never accepted."""
    reason: int = ResetReason.NONE


class ClientSession(Generic[R]):
    """The numbers of one client, over any number of connections and sessions of the gateway.

    ``generation`` counts the gateway's sessions: what belongs to an older one no longer matters for
    acknowledging. A message is *seen* when it came in order and *kept back* while the application cannot take
    it; acknowledged is everything before the first one kept back.
    """

    def __init__(self, ticket: Ticket | None = None, *, ack_every: int = 32, ack_delay: float = 0.05) -> None:
        self.generation = 0
        self.session_id = ticket.session_id if ticket else ""
        self.epoch = ticket.epoch if ticket else ""
        self.logged_in = ticket.logged_in if ticket else False
        self.seen = ticket.last_acked if ticket else 0
        self.acked = self.seen
        """The last number that was acknowledged to the gateway."""
        self._claimed = self.seen
        self._attempt = ticket.attempt if ticket else 0
        self.last_client_seq = 0
        self.in_flight: dict[int, R] = {}
        """Requests without a reply, by msg_id, in the order of their numbers."""
        self.bytes_in_flight = 0
        """Their bytes."""
        self._settled_up_to = 0
        self._taken_up_to: int | None = None
        """The last request that a gateway accepted before it stopped, None where it did not say."""
        self._kept_back: deque[int] = deque()
        self._offline_ids: OrderedDict[str, None] = OrderedDict()
        self._most_unacked = self._ack_every = ack_every
        self._ack_bytes = ACK_BYTES
        self._ack_delay = ack_delay
        self._ack_since: float | None = None
        self._unacked_bytes = 0

    # START

    def claim(self, wall_ms: int = 0) -> ResumeClaim:
        """Return what the next START says; it acknowledges everything that the application has.

        Its ``attempt`` is above every one before it. Where the wall clock's milliseconds are above that, they are
        taken: a ticket that was written down before this process reconnected and died still leads to a higher one.
        """
        self.acked = self._claimed = self.ackable
        self._ack_since = None
        self._unacked_bytes = 0
        self._attempt = max(self._attempt + 1, wall_ms)
        return ResumeClaim(self._claimed, self.session_id, self.epoch, self._attempt)

    def ticket(self) -> Ticket | None:
        """Return what another process needs to go on, None before the first session."""
        if not self.session_id:
            return None
        return Ticket(self.session_id, self.epoch, self.ackable, self.logged_in, self._attempt)

    def forget(self) -> None:
        """Give the gateway's session up: the next START is a fresh one. Calls in flight are lost with it."""
        self.session_id = self.epoch = ""
        self.seen = self.acked = 0
        self._kept_back.clear()
        self.generation += 1

    def started(self, answer: StartAnswer) -> StartOutcome[R]:
        """Take over what an accepted START says, right before the messages behind it.

        Raises ProtocolFailure when it contradicts what this side knows for certain; then forget() is what helps.
        """
        if answer.resumed:
            return self._resumed(answer)
        return self._fresh(answer)

    def _resumed(self, answer: StartAnswer) -> StartOutcome[R]:
        if not self.session_id or (answer.session_id, answer.epoch) != (self.session_id, self.epoch):
            raise ProtocolFailure("the gateway resumed a session that was not asked for")
        if answer.replay_from > self.seen + 1:
            raise ProtocolFailure(f"the gateway replays from {answer.replay_from}, but {self.seen} was seen")
        if answer.max_client_seq < self._settled_up_to:
            raise ProtocolFailure("the gateway answered a request and now does not know it")
        self._taken_up_to = None
        self.generation = max(self.generation, 1)
        self.last_client_seq = max(self.last_client_seq, answer.max_client_seq)
        resend = [request for request in self.in_flight.values() if request.seq > answer.max_client_seq]
        return StartOutcome(Start.RESUMED, resend=resend)

    def _fresh(self, answer: StartAnswer) -> StartOutcome[R]:
        known = self.generation > 0 or bool(self.session_id)
        lost, not_taken = self._sorted_out()
        self.forget_requests()
        self._kept_back.clear()
        self.generation += 1
        self.session_id, self.epoch = answer.session_id, answer.epoch
        self.logged_in = False
        self.seen = self.acked = self._claimed  # the numbers go on behind what START said (protocol §5)
        self.last_client_seq = self._settled_up_to = 0
        self._ack_since = None
        self._unacked_bytes = 0
        outcome = Start.RESET if known else Start.FRESH
        return StartOutcome(outcome, lost=lost, not_taken=not_taken, reason=answer.reset_reason)

    def _sorted_out(self) -> tuple[list[R], list[R]]:
        """Tell the requests in flight apart: those that may have run, and those that were never accepted."""
        every, last = self.in_flight.values(), self._taken_up_to
        self._taken_up_to = None
        if last is None:
            return list(every), []
        return [one for one in every if one.seq <= last], [one for one in every if one.seq > last]

    def left_behind(self, max_client_seq: int) -> None:
        """The gateway stops, and says which request was the last that it accepted: it forgets the session."""
        self._taken_up_to = max_client_seq

    # Requests

    @property
    def next_seq(self) -> int:
        """The number of the next request."""
        return self.last_client_seq + 1

    def number(self, request: R, size: int = 0) -> None:
        """Give ``request`` the next number and remember it until its reply; call it when nothing can fail."""
        request.seq = self.last_client_seq = self.next_seq
        request.size = size
        self.bytes_in_flight += size
        self.in_flight[business_msg_id(request.seq)] = request

    def settle(self, msg_id: int) -> R | None:
        """Return the request that a reply belongs to, which ends it; None when there is none."""
        request = self.in_flight.pop(msg_id, None)
        if request is None:
            return None
        self.bytes_in_flight -= request.size
        if request.seq > self._settled_up_to:
            self._settled_up_to = request.seq
        return request

    def forget_requests(self) -> None:
        """Nothing is in flight any more: what was gets no reply."""
        self.in_flight.clear()
        self.bytes_in_flight = 0

    # Messages

    def receive(self, seq: int, now: float, size: int = 0) -> bool:
        """Take the number of a message of ``size`` bytes; False when it was seen before. Raises NumberGap."""
        expected = self.seen + 1
        if seq > expected:
            raise NumberGap(expected, seq)
        if seq < expected:
            return False
        self.seen = seq
        self._unacked_bytes += size
        if self._ack_since is None:
            self._ack_since = now
        return True

    def first_time(self, offline_id: str) -> bool:
        """Remember the id of a stored notify: False when it was delivered before, in whichever session."""
        if offline_id in self._offline_ids:
            self._offline_ids.move_to_end(offline_id)
            return False
        self._offline_ids[offline_id] = None
        if len(self._offline_ids) > OFFLINE_IDS:
            self._offline_ids.popitem(last=False)
        return True

    def keep_back(self, seq: int) -> None:
        """The application has no room for message ``seq``: acknowledge nothing from it on."""
        self._kept_back.append(seq)

    def hand_over(self, generation: int, seq: int, now: float) -> None:
        """The application took the message that was kept back longest; ignored for an older generation."""
        if generation != self.generation or not self._kept_back or self._kept_back[0] != seq:
            return
        self._kept_back.popleft()
        if self._ack_since is None:
            self._ack_since = now

    # Acknowledging

    @property
    def ackable(self) -> int:
        """The highest number up to which the application has everything."""
        return self._kept_back[0] - 1 if self._kept_back else self.seen

    def share_window(self, in_flight: int | None, window_bytes: int | None) -> None:
        """Learn what the gateway has room for: requests at once, of whose replies twice as many fit, and bytes."""
        self._ack_bytes = ACK_BYTES if window_bytes is None else min(ACK_BYTES, window_bytes // 16)
        allowed = self._most_unacked if in_flight is None else max(1, in_flight // 2)
        self._ack_every = min(self._most_unacked, allowed)

    def ack_due(self, now: float) -> float | None:
        """Seconds until an acknowledgement must go out; 0 or less: now, None: there is none to send."""
        waiting = self.ackable - self.acked
        if waiting <= 0 or self._ack_since is None:
            return None
        if waiting >= self._ack_every or self._unacked_bytes >= self._ack_bytes:
            return 0.0
        return self._ack_since + self._ack_delay - now

    def take_ack(self) -> int | None:
        """Return the number to acknowledge and count it as done; None when there is nothing new."""
        ackable = self.ackable
        if ackable <= self.acked:
            return None
        self.acked = ackable
        self._ack_since = None
        self._unacked_bytes = 0
        return ackable
