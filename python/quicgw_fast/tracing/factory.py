"""Whether there are traces, and what they are made with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from quicgw_fast.errors import SettingError, StartupError

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.clock import Clock
    from quicgw_fast.config import TracingConfig
    from quicgw_fast.observe import Metrics
    from quicgw_fast.trace_context import PushTracer, RequestTracer


class SpanExport(Protocol):
    """What brings spans to the collector, in a thread of its own."""

    def start(self) -> None:
        """Begin to bring them."""

    def stop(self, seconds: float) -> None:
        """Bring what waits, for so many seconds at most; call it in a thread."""


class Tracing(NamedTuple):
    """Who is told of requests and pushes, and what has to be stopped behind them."""

    requests: RequestTracer
    pushes: PushTracer
    export: SpanExport


def make_tracing(config: TracingConfig, clock: Clock, metrics: Metrics) -> Tracing | None:
    """Make what the table asks for, None where nothing is traced.

    Raises StartupError without OpenTelemetry, and SettingError for a file that cannot be used.
    """
    if config.endpoint is None:
        return None
    try:
        from quicgw_fast.tracing import otlp
    except ModuleNotFoundError as error:
        missing = f"tracing.endpoint is set, and {error.name} is not installed"
        raise StartupError(f"{missing}: pip install 'quicgw-fast[tracing]'") from error
    from quicgw_fast.tracing.spans import Spans

    headers = () if config.headers_file is None else _headers(config.headers_file)
    tracer, export = otlp.connect(config, headers, metrics)
    spans = Spans(tracer, clock, config.sample_ratio)
    return Tracing(spans, spans, export)


def _headers(path: Path) -> tuple[tuple[str, str], ...]:
    from quicgw_fast.files import read_small

    key = ("tracing", "headers_file")
    try:
        lines = read_small(path).decode("ascii").splitlines()
    except (OSError, ValueError) as error:
        raise SettingError(key, f"tracing.headers_file: cannot read {path}: {error}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        name, colon, value = line.partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        if not colon or not name.strip() or not value.strip().isprintable():
            told = f"tracing.headers_file: line {number} of {path} is no header; write name: value"
            raise SettingError(key, told)
        found.append((name.strip().lower(), value.strip()))
    return tuple(found)
