"""Which rules are asked at which moment: the one list of them. A new rule is a line here, and a file of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from quicgw_fast.config import SessionConfig
from quicgw_fast.errors import SettingError
from quicgw_fast.overload.answer_rate import AnswerRate
from quicgw_fast.overload.attempts import AttemptLimiter, GuessedTokens
from quicgw_fast.overload.concurrency import Concurrency
from quicgw_fast.overload.draining import (
    ConnectionWhileDraining,
    PushWhileDraining,
    RequestWhileDraining,
    StartWhileDraining,
)
from quicgw_fast.overload.flood import ControlFlood, RequestFlood
from quicgw_fast.overload.full import TURNING_AWAY, ConnectionWhenFull, HandshakeWhenFull
from quicgw_fast.overload.half_open import HalfOpen, RetryAbove
from quicgw_fast.overload.handshake_rate import HandshakeRate
from quicgw_fast.overload.held import HeldBytes
from quicgw_fast.overload.in_flight import InFlight
from quicgw_fast.overload.message_rate import MessageRate
from quicgw_fast.overload.noise import NOISE, Noise
from quicgw_fast.overload.queue import QueueFull
from quicgw_fast.overload.renewal_rate import RenewalRate
from quicgw_fast.overload.request_memory import ProcessShare, SessionShare
from quicgw_fast.overload.rule import Close, Gate, Moment, PushRefusal, Refusal, Rule, StartRefusal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from quicgw_fast.config import LimitsConfig
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload.facts import (
        HeldFacts,
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


@dataclass(frozen=True, slots=True)
class ConnectionGates:
    """The gates around a handshake: the ``Gatekeeper`` of a listener, or of several together."""

    initial: Callable[[Arrival], TurnedAway | None]
    connection: Callable[[Arrival], TurnedAway | None]
    established: Callable[[Arrival], ConnectionRefusal | None]
    answer: Callable[[UnprovenAnswer], Deflection | None]
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
    attempts: AttemptLimiter
    """To be told of refused tokens."""


def make_gates(
    limits: LimitsConfig,
    metrics: Metrics,
    count_only: Collection[str] = (),
    *,
    to_newcomers: Callable[[], str] = lambda: "no new connections",
    max_concurrency: int = 0,
    window: int = SessionConfig().window_messages,
    noise: tuple[float, int] = NOISE,
    turning_away: tuple[float, int] = TURNING_AWAY,
) -> Gates:
    """Make all rules. Raises SettingError when ``count_only`` names one that there is not, or that cannot be spared.

    ``max_concurrency`` calls of one service may be under way, any number for 0; a session may be owed ``window``
    messages. ``to_newcomers`` are the words for clients that come while the gateway stops. ``noise`` and
    ``turning_away`` are rates per second and what may come at once (``Noise``, ``HandshakeWhenFull``).
    """
    make = _GateMaker(metrics, count_only)
    attempts = AttemptLimiter(limits.auth_failures_per_minute)
    rate, burst = limits.messages_per_second, limits.message_burst
    request: list[Rule[RequestFacts, Refusal | Close]] = [
        RequestFlood(rate, burst, window),
        RequestWhileDraining(),
        MessageRate(rate, burst),
        InFlight(limits.in_flight),
    ]
    gates = Gates(
        _connection_gates(limits, make, Noise(noise), turning_away, ConnectionWhileDraining(to_newcomers)),
        make.gate(Moment.HELD, [HeldBytes()]),
        make.gate(Moment.MESSAGE, [ControlFlood(limits.control_per_second, limits.control_burst)]),
        make.gate(Moment.START, [StartWhileDraining(), GuessedTokens(attempts)]),
        make.gate(Moment.RENEWAL, [RenewalRate()]),
        make.gate(Moment.REQUEST, request),
        make.gate(Moment.TASK, [SessionShare(limits.request_bytes), ProcessShare(limits.request_memory)]),
        make.gate(Moment.QUEUE, [QueueFull()]),
        make.gate(Moment.PUSH, [PushWhileDraining()]),
        make.gate(Moment.CALL, [Concurrency(max_concurrency)]),
        attempts,
    )
    make.check_names()
    return gates


def _connection_gates(
    limits: LimitsConfig,
    make: _GateMaker,
    noise: Noise,
    turning_away: tuple[float, int],
    draining: ConnectionWhileDraining,
) -> ConnectionGates:
    retry_above = RetryAbove(limits.retry_from, remembered=limits.max_half_open)
    connection: list[Rule[Arrival, TurnedAway]] = [
        draining,
        HandshakeWhenFull(limits.max_connections, turning_away),
        HalfOpen(limits.max_half_open),
        retry_above,
        HandshakeRate(limits.handshakes_per_second),
    ]
    established: list[Rule[Arrival, ConnectionRefusal]] = [
        draining,
        ConnectionWhenFull(limits.max_connections),
    ]
    return ConnectionGates(
        make.gate(Moment.INITIAL, [noise]).judge,
        make.gate(Moment.CONNECTION, connection).judge,
        make.gate(Moment.ESTABLISHED, established).judge,
        make.gate(Moment.ANSWER, [AnswerRate()]).judge,
        noise.heard,
        retry_above.failed,
    )


class _GateMaker:
    """Makes gates that count in the same registry, and knows the names of all their rules."""

    def __init__(self, metrics: Metrics, count_only: Collection[str]) -> None:
        self._metrics = metrics
        self._count_only = count_only
        self._names: set[str] = set()

    def gate(self, moment: Moment, rules: Sequence[Rule[F, R]]) -> Gate[F, R]:
        """Make the gate of one moment."""
        self._names.update(rule.name for rule in rules)
        return Gate(moment, rules, self._metrics, self._count_only)

    def check_names(self) -> None:
        """Raise SettingError when a name that is only to be counted is no rule's, or cannot be spared."""
        # A gateway that stops takes nobody, whatever the load, and a queue has no more places than it has: what these
        # refuse could not be served.
        needed = {StartWhileDraining.name, QueueFull.name}
        known = self._names - needed
        for name in sorted(set(self._count_only) - known):
            why = f"has {name!r}, which cannot be only counted" if name in needed else f"names {name!r}"
            told = f"overload.count_only {why}; known rules are {', '.join(sorted(known))}"
            raise SettingError(("overload", "count_only"), told)
