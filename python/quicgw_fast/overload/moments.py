"""Which rules are asked at which moment: the one list of them. A new rule is a line here, and a file of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from quicgw_fast.backend import TokenBucket
from quicgw_fast.config import OverloadConfig, SessionConfig
from quicgw_fast.overload.address_connections import AddressCount, ConnectionOfAddress, HandshakeOfAddress
from quicgw_fast.overload.answer_rate import AnswerRate
from quicgw_fast.overload.attempts import AttemptLimiter, GuessedTokens
from quicgw_fast.overload.book import RuleBook
from quicgw_fast.overload.bounds import Bounds
from quicgw_fast.overload.calls import AllCalls
from quicgw_fast.overload.concurrency import Concurrency
from quicgw_fast.overload.connection_rate import ConnectionRate
from quicgw_fast.overload.draining import (
    ConnectionWhileDraining,
    PushWhileDraining,
    RequestWhileDraining,
    StartWhileDraining,
)
from quicgw_fast.overload.flood import ControlFlood, RequestFlood
from quicgw_fast.overload.full import TURNING_AWAY, ConnectionWhenFull, HandshakeWhenFull, Places
from quicgw_fast.overload.half_open import HalfOpen, RetryAbove
from quicgw_fast.overload.handshake_rate import HandshakeRate
from quicgw_fast.overload.held import HeldBytes
from quicgw_fast.overload.in_flight import InFlight
from quicgw_fast.overload.memory import (
    ConnectionWhenShort,
    HandshakeWhenShort,
    LargeSessionWhenShort,
    LoginWhenShort,
    RequestWhenShort,
    StartWhenShort,
)
from quicgw_fast.overload.memory_stages import MemoryStages
from quicgw_fast.overload.message_rate import MessageRate
from quicgw_fast.overload.noise import NOISE, Noise
from quicgw_fast.overload.queue import QueueDelay, QueueFull
from quicgw_fast.overload.renewal_rate import RenewalRate
from quicgw_fast.overload.request_memory import ProcessShare, SessionShare
from quicgw_fast.overload.request_rate import RequestRate
from quicgw_fast.overload.rule import Close, Gate, Moment, PushRefusal, Refusal, Rule, StartRefusal
from quicgw_fast.overload.turnover import Turnover

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.config import LimitsConfig
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload.facts import (
        HeldFacts,
        LargeSessionFacts,
        MessageFacts,
        PushFacts,
        QueueFacts,
        RenewalFacts,
        RequestFacts,
        StartFacts,
        TaskFacts,
    )
    from quicgw_fast.ports import Arrival, CallFacts, ConnectionRefusal, Deflection, TurnedAway, UnprovenAnswer

F = TypeVar("F")
R = TypeVar("R")
ALL_ENFORCED: Final = OverloadConfig()


@dataclass(frozen=True, slots=True)
class ConnectionGates:
    """The gates around a handshake: the ``Gatekeeper`` of a listener, or of several together."""

    initial: Callable[[Arrival], TurnedAway | None]
    connection: Callable[[Arrival], TurnedAway | None]
    established: Callable[[Arrival], ConnectionRefusal | None]
    answer: Callable[[UnprovenAnswer], Deflection | None]
    entered: Callable[[str], None]
    left: Callable[[str, float], None]
    noise: Callable[[str, float], None]
    failed: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Gates:
    """The gate of every moment, and what their rules keep that others have to tell them of."""

    connections: ConnectionGates
    held: Gate[HeldFacts, Close]
    message: Gate[MessageFacts, Close]
    start: Gate[StartFacts, StartRefusal]
    renewal: Gate[RenewalFacts, Refusal]
    request: Gate[RequestFacts, Refusal | Close]
    task: Gate[TaskFacts, Refusal]
    queue: Gate[QueueFacts, Refusal]
    push: Gate[PushFacts, PushRefusal]
    call: Gate[CallFacts, Refusal]
    session: Gate[LargeSessionFacts, Close]
    attempts: AttemptLimiter
    """To be told of refused tokens."""
    memory: MemoryStages
    """How short it is."""
    book: RuleBook
    """What all rules are bounded by; to be tended, and to be told what the process takes in memory."""

    def reconfigure(
        self, limits: LimitsConfig, overload: OverloadConfig, *, max_concurrency: int, window: int | None = None
    ) -> None:
        """Change the bounds and modes of all rules while they are asked; a ``window`` only if one is given.

        Raises SettingError, before anything has changed, when ``overload.observe`` names what cannot observe: to be
        found out beforehand by ``book.check``.
        """
        window = self.book.bounds.window if window is None else window
        self.book.configure(Bounds(limits, overload, max_concurrency, window))


def make_gates(
    limits: LimitsConfig,
    metrics: Metrics,
    overload: OverloadConfig = ALL_ENFORCED,
    *,
    max_concurrency: int = 0,
    window: int = SessionConfig().window_messages,
    noise: tuple[float, int] = NOISE,
    turning_away: tuple[float, int] = TURNING_AWAY,
) -> Gates:
    """Make all rules. Raises SettingError when ``overload.observe`` names what cannot observe (``RuleBook.check``).

    ``max_concurrency`` calls of one service may be under way, any number for 0; a session may be owed ``window``
    messages. ``noise`` and ``turning_away`` are rates per second and what may come at once (``Noise``,
    ``HandshakeWhenFull``).
    """
    bounds = Bounds(limits, overload, max_concurrency, window)
    make = _GateMaker(bounds, metrics)
    memory, attempts = make.memory, AttemptLimiter(limits.auth_failures_per_minute)
    # The cheapest first, and those last that keep what they let through: it is not charged for what others refuse.
    request: list[Rule[RequestFacts, Refusal | Close]] = [
        RequestFlood(bounds),
        RequestWhileDraining(),
        RequestWhenShort(memory),
        MessageRate(bounds),
        InFlight(bounds, make.requests),
        RequestRate(bounds),
    ]
    shares = SessionShare(bounds, make.requests), ProcessShare(bounds, make.requests)
    return Gates(
        connections=_connection_gates(make, Noise(noise), TokenBucket(*turning_away)),
        held=make.gate(Moment.HELD, HeldBytes()),
        message=make.gate(Moment.MESSAGE, ControlFlood(bounds)),
        start=make.gate(Moment.START, StartWhileDraining(), StartWhenShort(memory), GuessedTokens(attempts)),
        renewal=make.gate(Moment.RENEWAL, RenewalRate()),
        request=make.gate(Moment.REQUEST, *request),
        task=make.gate(Moment.TASK, LoginWhenShort(memory), *shares),
        queue=make.gate(Moment.QUEUE, QueueFull(), QueueDelay()),
        push=make.gate(Moment.PUSH, PushWhileDraining()),
        call=make.gate(Moment.CALL, Concurrency(bounds, make.calls), AllCalls(bounds, make.calls)),
        session=make.gate(Moment.SESSION, LargeSessionWhenShort(memory)),
        attempts=attempts,
        memory=memory,
        book=make.book(),
    )


def _connection_gates(make: _GateMaker, noise: Noise, turning_away: TokenBucket) -> ConnectionGates:
    bounds, memory = make.bounds, make.memory
    retry_above, places, of_address = RetryAbove(bounds), Places(), AddressCount()
    connection: list[Rule[Arrival, TurnedAway]] = [
        ConnectionWhileDraining(),
        HandshakeWhenFull(bounds, places, turning_away),
        HandshakeWhenShort(memory, turning_away),
        HalfOpen(bounds),
        retry_above,
        HandshakeRate(bounds),
        HandshakeOfAddress(bounds, of_address),
        ConnectionRate(bounds),
    ]
    established: list[Rule[Arrival, ConnectionRefusal]] = [
        ConnectionWhileDraining(),
        ConnectionWhenFull(bounds, places),
        ConnectionWhenShort(memory),
        ConnectionOfAddress(bounds, of_address),
    ]

    def left(address: str, now: float) -> None:
        of_address.leave(address)
        places.left(now)

    return ConnectionGates(
        initial=make.gate(Moment.INITIAL, noise).judge,
        connection=make.gate(Moment.CONNECTION, *connection).judge,
        established=make.gate(Moment.ESTABLISHED, *established).judge,
        answer=make.gate(Moment.ANSWER, AnswerRate()).judge,
        entered=of_address.enter,
        left=left,
        noise=noise.heard,
        failed=retry_above.failed,
    )


class _GateMaker:
    """Makes gates that count in the same registry, and keeps all of them together; what several rules share is here."""

    def __init__(self, bounds: Bounds, metrics: Metrics) -> None:
        self.bounds = bounds
        self.memory = MemoryStages(bounds, metrics)
        self.requests = Turnover(metrics, "request_time")
        self.calls = Turnover(metrics, "upstream_call")
        self._metrics = metrics
        self._gates: list[Gate[Any, Any]] = []

    def gate(self, moment: Moment, *rules: Rule[F, R]) -> Gate[F, R]:
        """Make the gate of one moment."""
        gate = Gate(moment, rules, self._metrics, self.bounds.overload.observe)
        self._gates.append(gate)
        return gate

    def book(self) -> RuleBook:
        """What is to be done with all rules together, once all gates are made."""
        return RuleBook(self._gates, self.bounds, self._metrics, (self.requests, self.calls), self.memory)
