"""Overload protection: what is refused so that the rest is served."""

from quicgw_fast.overload.attempts import AttemptLimiter
from quicgw_fast.overload.memory import Holding, choose

__all__ = ["AttemptLimiter", "Holding", "choose"]
