"""What one openid's sessions must be like after every step, in plain words of the protocol (§2, §4, §5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

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


class Coming(NamedTuple):
    """What a START must come to: refused, resumed, or a new session for one of these reasons."""

    refused: bool = False
    resumed: SessionModel | None = None
    reasons: frozenset[int] = frozenset()
    gone: tuple[SessionModel, ...] = ()
    """Sessions that end by it."""


@dataclass
class OpenidModel:
    """All sessions of one openid, by the policy of ``session.devices`` (§2, "Devices")."""

    policy: str | int
    window: int
    sessions: list[SessionModel] = field(default_factory=list)
    """The one whose client attached last is the last."""
    attached: set[str] = field(default_factory=set)
    """Ids of those that have a client."""
    ended: dict[str, str] = field(default_factory=dict)
    """Ids with their epochs, the last one to end at the end."""

    @property
    def places(self) -> int:
        """How many there may be."""
        return self.policy if isinstance(self.policy, int) else 1

    def find(self, session_id: str) -> SessionModel:
        """The one with that id, which must be there."""
        return next(one for one in self.sessions if one.session_id == session_id)

    def starts(self, number: int, session_id: str, epoch: str) -> Coming:
        """What a START is answered; nothing changes."""
        named = [one for one in self.sessions if self._names(one, session_id, epoch)]
        if self.policy == "refuse" and not named and self.attached:
            return Coming(refused=True)
        if number == 0 and not session_id:
            return self._anew({int(pb.RESET_REASON_NONE)}, None)
        if not session_id and self.places == 1 and len(self.sessions) == 1:
            named = self.sessions
        if named:
            reasons = named[0].refusals(number, epoch)
            return self._anew(reasons, named[0]) if reasons else Coming(resumed=named[0])
        known = session_id in self.ended if session_id else self.places == 1 and bool(self.ended)
        return self._anew({int(pb.RESET_REASON_EXPIRED if known else pb.RESET_REASON_UNKNOWN_SESSION)}, None)

    def _names(self, session: SessionModel, session_id: str, epoch: str) -> bool:
        if session_id:
            return session.session_id == session_id
        return bool(epoch) and session.epoch == epoch

    def _anew(self, reasons: set[int], instead_of: SessionModel | None) -> Coming:
        gone = [] if instead_of is None else [instead_of]
        others = [one for one in self.sessions if one is not instead_of]
        away = [one for one in others if one.session_id not in self.attached]
        there = [one for one in others if one.session_id in self.attached]
        too_many = len(others) + 1 - self.places
        return Coming(reasons=frozenset(reasons), gone=(*gone, *(away + there)[: max(0, too_many)]))

    def attach(self, session: SessionModel) -> None:
        """A client has the session, a new one or one that it had before."""
        self.sessions = [one for one in self.sessions if one is not session] + [session]
        self.attached.add(session.session_id)

    def end(self, session: SessionModel) -> None:
        """The session is no more."""
        self.sessions.remove(session)
        self.attached.discard(session.session_id)
        self.ended[session.session_id] = session.epoch

    def push(self, data: bytes) -> dict[str, str]:
        """A push to the openid: of each session the error code, empty for success."""
        return {one.session_id: one.push(data) for one in self.sessions}
