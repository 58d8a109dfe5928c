"""Overload protection: what is refused so that the rest is served. A list of small rules (``moments``)."""

from quicgw_fast.overload.attempts import AttemptLimiter
from quicgw_fast.overload.book import RuleBook
from quicgw_fast.overload.bounds import Bounds
from quicgw_fast.overload.draining import NO_REQUEST, NO_START
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
    Traffic,
)
from quicgw_fast.overload.held import MAX_HELD
from quicgw_fast.overload.live import LiveLimits
from quicgw_fast.overload.memory_stages import MemoryStage, MemoryStages
from quicgw_fast.overload.moments import ConnectionGates, Gates, make_gates
from quicgw_fast.overload.pace import Pace
from quicgw_fast.overload.rule import Close, Gate, Moment, PushRefusal, Refusal, Rule, RuleMode, StartRefusal
from quicgw_fast.overload.standing import StandingQueue

__all__ = [
    "MAX_HELD",
    "NO_REQUEST",
    "NO_START",
    "AttemptLimiter",
    "Bounds",
    "Close",
    "ConnectionGates",
    "Gate",
    "Gates",
    "HeldFacts",
    "LargeSessionFacts",
    "LiveLimits",
    "MemoryStage",
    "MemoryStages",
    "MessageFacts",
    "Moment",
    "Pace",
    "PushFacts",
    "PushRefusal",
    "QueueFacts",
    "Refusal",
    "RenewalFacts",
    "RequestFacts",
    "Rule",
    "RuleBook",
    "RuleMode",
    "StandingQueue",
    "StartFacts",
    "StartRefusal",
    "TaskFacts",
    "Traffic",
    "make_gates",
]
