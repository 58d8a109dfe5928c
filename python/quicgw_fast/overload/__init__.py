"""Overload protection: what is refused so that the rest is served."""

from quicgw_fast.overload.attempts import AttemptLimiter

__all__ = ["AttemptLimiter"]
