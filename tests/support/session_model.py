"""What one openid's session must be like after every step, in plain words of the protocol (§2, §4, §5)."""

from __future__ import annotations

from dataclasses import dataclass, field

from quicgw_fast.proto import client_pb2 as pb

BEFORE, AFTER = 1, 2
ERROR = b"<error>"
"""Stands for any error in the list of what was sent."""


@dataclass
class Bound:
    """Notifies that wait for a request."""

    before: list[bytes] = field(default_factory=list)
    after: list[bytes] = field(default_factory=list)


@dataclass
class SessionModel:
    """One session: what has been numbered, what is retained, what waits, and whether something had to be lost."""

    session_id: str
    epoch: str
    window: int
    first: int
    """The number below its first one."""
    sent: dict[int, bytes] = field(default_factory=dict)
    acked: int = 0
    normal: bool = False
    overflowed: bool = False
    max_client: int = 0
    in_flight: dict[int, bytes] = field(default_factory=dict)
    bound: dict[int, Bound] = field(default_factory=dict)
    cached: list[bytes] = field(default_factory=list)
    """Waits for the login, and after it for room: nothing new may overtake it."""

    def __post_init__(self) -> None:
        self.acked = self.first

    @property
    def last(self) -> int:
        """The highest number."""
        return self.first + len(self.sent)

    @property
    def retained(self) -> int:
        """How many messages wait for an acknowledgement."""
        return self.last - self.acked

    def number(self, *messages: bytes) -> None:
        """Give the next numbers."""
        for message in messages:
            self.sent[self.last + 1] = message

    def has_room(self, count: int, *, reserve: bool) -> bool:
        """Whether so many more messages of one step fit; one step always fits into an empty window."""
        limit = self.window + (self.window // 4 if reserve else 0)
        return self.retained + count <= limit or self.retained == 0

    def takes_new(self) -> bool:
        """Whether a notify can be sent now."""
        return not self.overflowed and not (self.normal and self.cached) and self.has_room(1, reserve=False)

    def commit(self, *messages: bytes) -> bool:
        """Send as one step that may use the reserve; False, and overflowed, when it does not fit."""
        if self.overflowed or not self.has_room(len(messages), reserve=True):
            self.overflow()
            return False
        self.number(*messages)
        return True

    def overflow(self) -> None:
        """Something had to be left out: what waits can never go out either."""
        self.overflowed = True
        self.bound, self.cached = {}, []

    def accept(self, seq: int, data: bytes) -> None:
        """A request with the right number came."""
        self.max_client = seq
        self.in_flight[seq] = data

    def reply(self, seq: int) -> bool:
        """A request is answered, with what was bound to it."""
        bound = self.bound.pop(seq, Bound())
        return self.commit(*bound.before, self.in_flight.pop(seq), *bound.after)

    def log_in(self) -> None:
        """The login was answered; what was cached follows it as far as it fits."""
        self.normal = True
        self.release()

    def release(self) -> None:
        """Send what was cached, as far as it fits."""
        while self.cached and self.has_room(1, reserve=True):
            self.number(self.cached.pop(0))

    def push(self, data: bytes) -> str:
        """An immediate push; returns the error code, empty for success."""
        if self.overflowed:
            return "WINDOW_FULL"
        if not self.normal:
            if len(self.cached) >= min(64, self.window):
                return "CACHE_FULL"
            self.cached.append(data)
            return ""
        if not self.takes_new():
            return "WINDOW_FULL"
        self.number(data)
        return ""

    def bind(self, seq: int, hint: int, data: bytes) -> str:
        """A bound push; returns the error code, empty for success.

        What is bound to a session that can only be reset would be lost, so that its sender is told.
        """
        if seq == 0:
            return "BIND_SEQ_REQUIRED"
        if self.overflowed:
            return "WINDOW_FULL"
        if seq in self.in_flight or seq > self.max_client:
            bound = self.bound.get(seq, Bound())
            if len(bound.before) + len(bound.after) + 2 > self.window:  # with it and the reply: no step that fits
                return "BIND_LIMIT"
            self.bound[seq] = bound
            (bound.before if hint == BEFORE else bound.after).append(data)
            return ""
        if hint == BEFORE:
            return "RESPONSE_ALREADY_SENT"
        if not self.takes_new():
            return "WINDOW_FULL"
        self.number(data)
        return ""

    def broadcast(self, data: bytes) -> int:
        """A broadcast; returns what it counts for this session."""
        if not self.normal or self.overflowed:
            return 0
        if not self.takes_new():
            self.overflow()
            return 0
        self.number(data)
        return 1

    def acknowledge(self, number: int) -> None:
        """The client has everything up to a number."""
        if number > self.acked:
            self.acked = number
            if self.normal:
                self.release()

    def refusals(self, number: int, epoch: str) -> set[int]:
        """The reasons that stand against a resume from a number; empty means that it must succeed."""
        reasons = set()
        if epoch and epoch != self.epoch:
            reasons.add(pb.RESET_REASON_EPOCH)
        if number > self.last:
            reasons.add(pb.RESET_REASON_FUTURE_ACK)
        if number < self.acked:
            reasons.add(pb.RESET_REASON_NOT_RETAINED)
        if self.overflowed:
            reasons.add(pb.RESET_REASON_OVERFLOW)
        return {int(reason) for reason in reasons}
