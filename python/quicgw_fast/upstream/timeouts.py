"""What gRPC makes of a timeout on its way to a service, and how to tell it no more than there is."""

from __future__ import annotations

from bisect import bisect_right

SLACK = 0.002
"""Seconds that gRPC may add when it turns a timeout into a deadline and back, in whole milliseconds."""
_BELOW = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)
"""Seconds below which the header is written with one digit more."""
_STEPS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
_ROUNDING = 1e-9


def sendable(seconds: float) -> float:
    """The longest timeout that gRPC may be given so that the service is told at most ``seconds``.

    The header ``grpc-timeout`` is written with three digits, rounded *up*: 30 s and a little become 30.1 s. So the
    time is cut to three digits here, less the little. Zero or below when that leaves nothing worth a call.
    """
    step = _STEPS[bisect_right(_BELOW, seconds)]
    return (seconds + _ROUNDING) // step * step - SLACK
