"""What an overload rule is, and where rules are asked.

A rule looks at facts and admits, or refuses. How it can refuse is the type of its moment, so that nothing a rule says
is lost on the way: a request, a renewal or a call is answered with a code, a sentence and perhaps a time after which to
come back (``Refusal``), a START also with how its connection ends (``StartRefusal``), a push with a code of its own
(``PushRefusal``); who does not listen is closed (``Close``), and a client that wants to connect is told what is to be
done instead (``ports.TurnedAway``). A rule knows no clock and starts nothing: time is one of the facts, and who asks
carries the refusal out. Rules are asked in one place per *moment*, from the first packet of a client to the call of a
service, by the ``Gate`` of that moment, one after the other; the first refusal counts. So a rule behind another one is
not asked about what that refused, and what it keeps (a bucket, a sum) is not charged for it.

A rule in mode ``observe`` (``overload.observe``) refuses nothing: what it would have refused is counted apart, so that
a new bound can be tried out under real load. Modes and bounds change while the gateway runs (``book``).

Adding a rule is one file with its class, and one line in the list of its moment (``moments``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from quicgw_fast.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from quicgw_fast.codes import CloseCode, ErrorCode, PushCode
    from quicgw_fast.observe import Counter, Metrics
    from quicgw_fast.overload.bounds import Bounds

F = TypeVar("F")
F_contra = TypeVar("F_contra", contravariant=True)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Moment(Enum):
    """Where on the way of a client and its messages rules are asked."""

    INITIAL = "initial"
    """A first packet, before it is decrypted."""
    CONNECTION = "connection"
    """A first packet that is genuine, before a connection is built for it."""
    ESTABLISHED = "established"
    """A handshake that is complete, before the client counts as connected."""
    ANSWER = "answer"
    """A packet that answers one which anybody can forge, before it is sent."""
    SESSION = "session"
    """A session that is among the largest, in a round of the housekeeping."""
    HELD = "held"
    """A message behind a START that waits."""
    MESSAGE = "message"
    """A message of a client that has its session, and that is no request."""
    START = "start"
    """A START whose claim can be read, before its token is looked at."""
    RENEWAL = "renewal"
    """A heartbeat with a new token, before that is looked at."""
    REQUEST = "request"
    """A BUSINESS message, before its payload is parsed: a refusal costs as little as can be."""
    TASK = "task"
    """A request that is whole and allowed, before it takes memory."""
    QUEUE = "queue"
    """A request that its queue does not take in time. Asked only then: the way of all others is not longer for it."""
    PUSH = "push"
    """A notify whose session is found."""
    CALL = "call"
    """A call of a service, before an instance is chosen."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not admitted, as its sender is told."""

    code: ErrorCode
    message: str
    detail: str = ""
    retry_after: float | None = None
    """Seconds after which it would be admitted, if that is known."""
    error_code: str = ""
    """The header ``error-code``: a word for programs, where the number stands for several reasons."""

    def error(self) -> RequestError:
        """The error that is the reply."""
        # Rounded up: who comes back exactly then must be served.
        after = None if self.retry_after is None else int(self.retry_after * 1000) + 1
        return RequestError(self.code, self.message, self.detail, retry_after_ms=after, error_code=self.error_code)


@dataclass(frozen=True, slots=True)
class StartRefusal(Refusal):
    """Why a client gets no session, as it is told before its connection is closed."""

    close: CloseCode | None = None
    """How the connection is closed; None for what goes with the error code."""


@dataclass(frozen=True, slots=True)
class PushRefusal:
    """Why a notify is not accepted, as the service is told."""

    code: PushCode
    why: str


@dataclass(frozen=True, slots=True)
class Close:
    """The connection ends, and that is the answer: its client does not listen to others."""

    code: CloseCode
    detail: str
    """The reason, behind the name of the code."""


class Rule(Protocol[F_contra, R_co]):
    """One reason to refuse. A rule that is false is off: known by its name and counted at 0, but never asked."""

    @property
    def name(self) -> str:
        """By which it is counted and configured."""

    def judge(self, facts: F_contra, /) -> R_co | None:
        """Refuse, or admit with None."""


@runtime_checkable
class Bounded(Protocol):
    """A rule with a bound that is configured."""

    @property
    def name(self) -> str:
        """The rule's."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the configuration that it reads, the bound itself first."""

    def configure(self, bounds: Bounds) -> None:
        """Take new bounds, also for what is kept already. Never fails: they were checked."""


class Gauge(NamedTuple):
    """Where the value that a rule bounds is found among the metrics."""

    name: str
    combine: Callable[[Iterable[float]], float] = max
    """Makes one value of those that differ in their labels."""
    bound: str | None = None
    """The gauge of the bound, where that is not the first of the rule's keys."""


@runtime_checkable
class Gauged(Bounded, Protocol):
    """A rule whose bound is of a gauge that somebody else keeps."""

    @property
    def gauge(self) -> Gauge:
        """Which one."""


@runtime_checkable
class Measured(Bounded, Protocol):
    """A rule that knows how near its bound is."""

    def level(self, now: float) -> float:
        """What its bound is compared with, at ``now`` (monotonic seconds)."""


@runtime_checkable
class Sleeping(Protocol):
    """A rule with a bound that refuses nothing for long times, in which it need not be asked."""

    @property
    def asleep(self) -> bool:
        """Whether it is such a time; when that changes, the gates are to be told (``Gate.set_modes``)."""


class RuleMode(StrEnum):
    """What becomes of a rule's refusals."""

    ENFORCE = "enforce"
    OBSERVE = "observe"
    """They are counted, and nobody is refused."""
    OFF = "off"
    """There are none, as the rule has no bound."""


class Gate(Generic[F, R]):
    """The rules of one moment: what they look at, and how they refuse."""

    def __init__(
        self, moment: Moment, rules: Sequence[Rule[F, R]], metrics: Metrics, observed: Collection[str] = ()
    ) -> None:
        """``observed`` are names of rules that refuse nothing."""
        self.moment = moment
        self.rules = rules
        names, of_moment = [rule.name for rule in rules], metrics.part("moment", moment.value)
        self.refused = of_moment.counters("refused", "What rules refused", "rule", names)
        self.would_reject = of_moment.counters(
            "would_reject", "What rules in mode observe would have refused", "rule", names
        )
        self.set_modes(observed)

    def set_modes(self, observed: Collection[str]) -> None:
        """Have these rules observe and all others enforce; also to be called when a rule got a bound, or woke up."""
        self.observed = frozenset(observed)
        self._asked: list[tuple[Callable[[F], R | None], Counter, bool]] = [
            (rule.judge, self.would_reject[rule.name], False)
            if rule.name in self.observed
            else (rule.judge, self.refused[rule.name], True)
            for rule in self.rules
            if rule and not (isinstance(rule, Sleeping) and rule.asleep)
        ]
        self.asks = bool(self._asked)
        """Whether there is a rule that could refuse."""

    def mode(self, rule: Rule[F, R]) -> RuleMode:
        """What becomes of the refusals of one of its rules."""
        if not rule:
            return RuleMode.OFF
        return RuleMode.OBSERVE if rule.name in self.observed else RuleMode.ENFORCE

    def judge(self, facts: F, times: int = 1) -> R | None:
        """Ask the rules in their order; the first enforced refusal, or None. It is of so many alike."""
        for judge, counter, enforced in self._asked:
            refusal = judge(facts)
            if refusal is not None:
                counter.value += times
                if enforced:
                    return refusal
        return None
