"""Overload protection: what is refused so that the rest is served. A list of small rules (``moments``)."""

from quicgw_fast.overload.attempts import AttemptLimiter
from quicgw_fast.overload.draining import GATEWAY_STOPS
from quicgw_fast.overload.facts import CallFacts, PushFacts, RenewalFacts, RequestFacts, StartFacts, TaskFacts
from quicgw_fast.overload.flood import FloodGuard
from quicgw_fast.overload.memory import Holding, choose
from quicgw_fast.overload.moments import Gates, call_gate, make_gates
from quicgw_fast.overload.request_memory import RequestMemory, size_of
from quicgw_fast.overload.rule import Gate, Moment, Refusal, Rule

__all__ = [
    "GATEWAY_STOPS",
    "AttemptLimiter",
    "CallFacts",
    "FloodGuard",
    "Gate",
    "Gates",
    "Holding",
    "Moment",
    "PushFacts",
    "Refusal",
    "RenewalFacts",
    "RequestFacts",
    "RequestMemory",
    "Rule",
    "StartFacts",
    "TaskFacts",
    "call_gate",
    "choose",
    "make_gates",
    "size_of",
]
