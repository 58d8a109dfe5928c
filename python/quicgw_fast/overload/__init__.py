"""Overload protection: what is refused so that the rest is served. A list of small rules (``moments``)."""

from quicgw_fast.overload.attempts import AttemptLimiter
from quicgw_fast.overload.draining import GATEWAY_STOPS
from quicgw_fast.overload.facts import (
    CallFacts,
    HeldFacts,
    MessageFacts,
    PushFacts,
    RenewalFacts,
    RequestFacts,
    StartFacts,
    TaskFacts,
    Traffic,
)
from quicgw_fast.overload.held import MAX_HELD
from quicgw_fast.overload.moments import ConnectionGates, Gates, call_gate, make_gates
from quicgw_fast.overload.rule import Gate, Moment, Refusal, Rule

__all__ = [
    "GATEWAY_STOPS",
    "MAX_HELD",
    "AttemptLimiter",
    "CallFacts",
    "ConnectionGates",
    "Gate",
    "Gates",
    "HeldFacts",
    "MessageFacts",
    "Moment",
    "PushFacts",
    "Refusal",
    "RenewalFacts",
    "RequestFacts",
    "Rule",
    "StartFacts",
    "TaskFacts",
    "Traffic",
    "call_gate",
    "make_gates",
]
