"""Which rules are asked at which moment: the one list of them. A new rule is a line here, and a file of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicgw_fast.errors import ConfigError
from quicgw_fast.observe import Unit
from quicgw_fast.overload.attempts import AttemptLimiter, GuessedTokens
from quicgw_fast.overload.concurrency import Concurrency
from quicgw_fast.overload.draining import PushWhileDraining, RequestWhileDraining, StartWhileDraining
from quicgw_fast.overload.facts import CallFacts
from quicgw_fast.overload.flood import ControlFlood, RequestFlood
from quicgw_fast.overload.held import HeldBytes
from quicgw_fast.overload.in_flight import InFlight
from quicgw_fast.overload.message_rate import MessageRate
from quicgw_fast.overload.renewal_rate import RenewalRate
from quicgw_fast.overload.request_memory import ProcessShare, SessionShare
from quicgw_fast.overload.rule import Gate, Moment, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from quicgw_fast.config import LimitsConfig
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload.facts import (
        HeldFacts,
        MessageFacts,
        PushFacts,
        RenewalFacts,
        RequestFacts,
        StartFacts,
        TaskFacts,
    )


@dataclass(frozen=True, slots=True)
class Gates:
    """The gate of every moment, and what their rules keep that others have to tell them of."""

    held: Gate[HeldFacts]
    message: Gate[MessageFacts]
    start: Gate[StartFacts]
    renewal: Gate[RenewalFacts]
    request: Gate[RequestFacts]
    task: Gate[TaskFacts]
    push: Gate[PushFacts]
    attempts: AttemptLimiter
    """To be told of refused tokens."""


def make_gates(limits: LimitsConfig, metrics: Metrics, count_only: Collection[str] = ()) -> Gates:
    """Make all rules. Raises ConfigError when ``count_only`` names one that there is not."""
    attempts = AttemptLimiter(limits.auth_failures_per_minute)
    rate, burst = limits.messages_per_second, limits.message_burst
    held: list[Rule[HeldFacts]] = [HeldBytes()]
    message: list[Rule[MessageFacts]] = [ControlFlood(limits.control_per_second, limits.control_burst)]
    start: list[Rule[StartFacts]] = [StartWhileDraining(), GuessedTokens(attempts)]
    renewal: list[Rule[RenewalFacts]] = [RenewalRate()]
    request: list[Rule[RequestFacts]] = [
        RequestFlood(rate, burst),
        RequestWhileDraining(),
        MessageRate(rate, burst),
        InFlight(limits.in_flight),
    ]
    task: list[Rule[TaskFacts]] = [SessionShare(limits.request_bytes), ProcessShare(limits.request_memory)]
    push: list[Rule[PushFacts]] = [PushWhileDraining()]
    metrics.gauge("request_memory_limit", "What accepted requests may take", lambda: limits.request_memory, Unit.BYTES)
    names = [[rule.name for rule in rules] for rules in (held, message, start, renewal, request, task, push)]
    # A gateway that stops takes nobody, whatever the load: this cannot be only counted.
    known = {Concurrency.name}.union(*names) - {StartWhileDraining.name}
    unknown = sorted(set(count_only) - known)
    if unknown:
        raise ConfigError(f"overload.count_only names {unknown[0]!r}; known rules are {', '.join(sorted(known))}")
    return Gates(
        Gate(Moment.HELD, held, metrics, count_only),
        Gate(Moment.MESSAGE, message, metrics, count_only),
        Gate(Moment.START, start, metrics, count_only),
        Gate(Moment.RENEWAL, renewal, metrics, count_only),
        Gate(Moment.REQUEST, request, metrics, count_only),
        Gate(Moment.TASK, task, metrics, count_only),
        Gate(Moment.PUSH, push, metrics, count_only),
        attempts,
    )


def call_gate(
    max_concurrency: int, metrics: Metrics, count_only: Collection[str] = ()
) -> Callable[[str, int], str | None] | None:
    """What is asked before a service is called, of which ``max_concurrency`` calls may be under way; None for no limit.

    It takes the service and how many calls of it are under way, and says why there is to be no other, or None.
    """
    metrics.gauge(
        "upstream_max_concurrency", "Calls of one service that may be under way, 0: any", lambda: max_concurrency
    )
    gate = Gate(Moment.CALL, [Concurrency(max_concurrency)], metrics, count_only)

    def refuse(service: str, under_way: int) -> str | None:
        refusal = gate.judge(CallFacts(service, under_way))
        return None if refusal is None else refusal.detail

    return refuse if max_concurrency else None
