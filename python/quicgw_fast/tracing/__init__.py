"""Traces of requests and pushes, by OpenTelemetry; nothing of it is imported unless ``tracing.endpoint`` is set."""

from quicgw_fast.tracing.factory import Tracing, make_tracing

__all__ = ["Tracing", "make_tracing"]
