"""Overload protection: what is refused so that the rest is served."""

from quicgw_fast.overload.attempts import AttemptLimiter
from quicgw_fast.overload.flood import FloodGuard

__all__ = ["AttemptLimiter", "FloodGuard"]
