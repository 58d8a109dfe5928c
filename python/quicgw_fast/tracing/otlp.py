"""OpenTelemetry's tracer and its way to a collector (OTLP over gRPC)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

import quicgw_fast
from quicgw_fast.config import read_pem
from quicgw_fast.tracing.export import BoundedExport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.trace import Tracer

    from quicgw_fast.config import TracingConfig
    from quicgw_fast.observe import Metrics

SECONDS = 5
"""For a batch to be taken, tries again included: a collector that is down must not keep a stop waiting."""


def connect(
    config: TracingConfig, headers: Sequence[tuple[str, str]], metrics: Metrics
) -> tuple[Tracer, BoundedExport]:
    """Return a tracer, and what brings its spans to the collector. SettingError for a ``ca`` that cannot be read."""
    credentials = None
    if config.ca is not None:
        credentials = grpc.ssl_channel_credentials(read_pem(config.ca, "tracing", "ca"))
    exporter = OTLPSpanExporter(
        endpoint=config.endpoint,
        insecure=credentials is None,
        credentials=credentials,
        headers=tuple(headers),
        timeout=SECONDS,
    )
    # What it has to say, ``BoundedExport`` says once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    export = BoundedExport(exporter, config.endpoint or "", config.queue, metrics)
    resource = Resource.create({"service.name": config.service_name, "service.version": quicgw_fast.__version__})
    # Whether a request is traced is decided before a span of it is made.
    provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(export)
    return provider.get_tracer("quicgw_fast", quicgw_fast.__version__), export
