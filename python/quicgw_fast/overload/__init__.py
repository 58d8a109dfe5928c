"""Overload protection: what is refused so that the rest is served."""

from quicgw_fast.overload.attempts import AttemptLimiter
from quicgw_fast.overload.flood import FloodGuard
from quicgw_fast.overload.memory import Holding, choose
from quicgw_fast.overload.request_memory import RequestMemory, size_of

__all__ = ["AttemptLimiter", "FloodGuard", "Holding", "RequestMemory", "choose", "size_of"]
