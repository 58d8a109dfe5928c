"""Logging: text for people, JSON lines for machines, always on standard error."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from quicgw_fast.config import Log

LONGEST_VALUE = 128
"""Characters of a value that are written: a client must not be able to fill the log."""


def tame_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape control characters and cut values, so that nothing a client sent can forge a line."""
    for name, value in event.items():
        if isinstance(value, str):
            if name == "exception":  # a traceback has lines, but nothing else that a terminal would obey
                event[name] = "\n".join(map(_printable, value.split("\n")))
            elif name == "event":
                event[name] = _printable(value)
            else:
                clean = _printable(value)
                event[name] = clean if len(clean) <= LONGEST_VALUE else clean[:LONGEST_VALUE] + "…"
    return event


def _printable(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def configure_logging(config: Log) -> None:
    """Route the standard library's logging and structlog's own through one handler, as ``config`` says."""
    text = config.format == "text" or (config.format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
        tame_values,
    ]
    render: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if text else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    structlog.configure(  # left alone, it would write to standard output
        processors=[
            structlog.stdlib.filter_by_level,
            *(step for step in shared if not isinstance(step, structlog.stdlib.ExtraAdder)),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(config.level.upper())
    logging.getLogger("quic").setLevel(logging.ERROR)  # aioquic logs every connection at INFO
