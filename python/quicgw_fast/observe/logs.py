"""Logging: text for people, JSON lines for machines, always on standard error, never holding anybody up."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

from quicgw_fast.printable import printable
from quicgw_fast.writer import Writer

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from quicgw_fast.config import LogConfig

FLUSH_SECONDS = 0.5
"""How long the end of the process waits for a log reader."""
MOST_WAITING = 4 << 20
"""Bytes of lines that wait for a log reader; more are dropped and counted."""
UNCUT = ("event", "explanation")
"""What the gateway says in words of its own."""
LONGEST_VALUE = 128
"""Characters of a value that are written: a client must not be able to fill the log."""


def tame_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape control characters and cut values, so that nothing a client sent can forge a line."""
    for name, value in event.items():
        if isinstance(value, str):
            if name == "exception":  # a traceback has lines, but nothing else that a terminal would obey
                event[name] = "\n".join(printable(line, None) for line in value.split("\n"))
            elif name in UNCUT:
                event[name] = printable(value, None)
            else:
                clean = printable(value, None)
                event[name] = clean if len(clean) <= LONGEST_VALUE else clean[:LONGEST_VALUE] + "…"
    return event


def configure_logging(config: LogConfig) -> None:
    """Route the standard library's logging and structlog's own through one handler, as ``config`` says."""
    import structlog  # by who runs a gateway or a command, and not by every client

    terminal = sys.stderr is not None and sys.stderr.isatty()
    text = config.format == "text" or (config.format == "auto" and terminal)
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
        tame_values,
    ]
    colors = terminal and not os.environ.get("NO_COLOR")  # https://no-color.org
    render: Any = structlog.dev.ConsoleRenderer(colors=colors) if text else structlog.processors.JSONRenderer()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
    )
    handler = _handler(formatter)
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
    set_level(config)
    logging.getLogger("quic").setLevel(logging.ERROR)  # aioquic logs every connection at INFO
    logging.getLogger("grpc").setLevel(logging.WARNING)  # its lines for debugging are about its own inside


def set_level(config: LogConfig) -> None:
    """Write from another level on; nothing else of ``configure_logging`` changes."""
    logging.getLogger().setLevel(config.level.upper())


def lines_dropped() -> int:
    """Count the log lines of this process that nobody took in time."""
    return sum(handler.dropped for handler in _queues())


def bytes_waiting() -> int:
    """Return how much of the log of this process nobody has taken yet."""
    return sum(handler.waiting for handler in _queues())


def _queues() -> list[_QueueHandler]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, _QueueHandler)]


class _QueueHandler(logging.Handler):
    """Formats at once and writes later, so that no log reader can hold up the event loop."""

    def __init__(self, descriptor: int, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._writer = Writer(descriptor, limit=MOST_WAITING, notice=self._notice)

    @property
    def dropped(self) -> int:
        return self._writer.dropped

    @property
    def waiting(self) -> int:
        return self._writer.waiting

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._writer.put(self._encoded(record))
        except Exception:  # as every handler of logging does: a line that cannot be formatted is told, not raised
            self._writer.put(f"a log line of {record.pathname} failed\n{traceback.format_exc()}".encode())

    def flush(self) -> None:
        """Wait for what is on its way, at the end of the process, but not for long."""
        self._writer.drain(FLUSH_SECONDS)

    def _encoded(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode("utf-8", "backslashreplace")

    def _notice(self, count: int) -> bytes:
        said = {"name": "quicgw.log", "levelno": logging.WARNING, "levelname": "WARNING", "msg": "log lines dropped"}
        return self._encoded(logging.makeLogRecord({**said, "count": count}))


def _handler(formatter: logging.Formatter) -> logging.Handler:
    stream = sys.stderr
    try:
        descriptor = stream.fileno() if stream is not None else None
    except OSError:  # it lies in memory, as in tests, and keeps nobody waiting
        handler: logging.Handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        return handler
    return logging.NullHandler() if descriptor is None else _QueueHandler(descriptor, formatter)
