"""``[tracing]``: traces of requests and pushes, for an OpenTelemetry collector."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from quicgw_fast.config.tables.base import File, Section
from quicgw_fast.config.values import Address, number


class TracingConfig(Section):
    """``[tracing]``: traces of requests and pushes, for an OpenTelemetry collector."""

    endpoint: Annotated[Address | None, Field(examples=["127.0.0.1:4317"])] = None
    """Where a collector takes OTLP over gRPC. Without it nothing is traced; with it the extra ``tracing`` is needed."""
    sample_ratio: Annotated[float, number(0.0, 1.0, "of requests")] = 1.0
    """The part of the requests that is traced, of those without a ``traceparent``, which decides where it is sent."""
    service_name: Annotated[str, Field(min_length=1, max_length=255)] = "quicgw"
    """As what the gateway is known there."""
    headers_file: Annotated[File | None, Field(examples=["otlp-headers"])] = None
    """Headers that the collector asks for, one a line as ``name: value``."""
    ca: Annotated[File | None, Field(examples=["collector-ca.pem"])] = None
    """Authorities of the collector's certificate; with it TLS is spoken."""
    queue: Annotated[int, number(1, 1_000_000, "spans")] = 4096
    """Spans that wait for the collector at most; more are lost, and counted."""
