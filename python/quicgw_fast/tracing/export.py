"""The way of finished spans to the collector: a bounded queue, and a thread that empties it.

Whoever ends a span never waits. While the collector is slow or down spans are lost: the newest, as the queue is full,
and those of each batch that was tried in vain. They are counted, and the log says when it begins and when it is over.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExportResult

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

    from quicgw_fast.observe import Metrics

BATCH: Final = 512
PERIOD: Final = 1.0
"""Seconds that a span waits at most for others to go with."""

_log = logging.getLogger("quicgw.tracing")


class BoundedExport(SpanProcessor):
    """Takes spans as they end."""

    def __init__(self, exporter: SpanExporter, endpoint: str, queue: int, metrics: Metrics) -> None:
        """``queue`` spans may wait; ``endpoint`` is for the log."""
        self._exporter = exporter
        self._endpoint = endpoint
        self._most = queue
        self._waiting: deque[ReadableSpan] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._failing = False
        self.exported = 0
        self.lost = 0
        metrics.total("trace_spans_exported", "Spans that the collector took", lambda: self.exported)
        metrics.total("trace_spans_lost", "Spans that the collector did not take in time", lambda: self.lost)
        metrics.gauge("trace_spans_waiting", "Spans that wait for the collector", lambda: len(self._waiting))
        self._thread = threading.Thread(target=self._run, name="trace-export", daemon=True)

    def start(self) -> None:
        """Begin to bring them."""
        self._thread.start()

    def on_end(self, span: ReadableSpan) -> None:
        """See ``SpanProcessor``: never waits."""
        if len(self._waiting) >= self._most:
            self.lost += 1
            return
        self._waiting.append(span)
        if len(self._waiting) >= BATCH:
            self._wake.set()

    def stop(self, seconds: float) -> None:
        """Bring what waits, for so many seconds at most; what is left then is lost."""
        self._stopping = True
        self._wake.set()
        self._thread.join(seconds)
        self.lost += len(self._waiting)
        self._waiting.clear()
        self._exporter.shutdown()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(PERIOD)
            self._wake.clear()
            while self._waiting:
                self._export([self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))])

    def _export(self, batch: list[ReadableSpan]) -> None:
        began = time.monotonic()
        try:
            taken = self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception:
            # A fault of the library: the thread must live on, or every later span is lost without a word.
            _log.exception("spans not encoded")
            taken = False
        if taken:
            self.exported += len(batch)
        else:
            self.lost += len(batch)
        if taken is self._failing:
            self._failing = not taken
            fields = {"endpoint": self._endpoint, "seconds": round(time.monotonic() - began, 3)}
            if self._failing:
                _log.warning("spans not exported", extra={**fields, "effect": "they are lost until it takes them"})
            else:
                _log.info("spans exported again", extra=fields)
