"""What a service tells on standard error where its program has not set up logging: text for people, JSON in a pipe."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

# What every record has; the rest came with ``extra``.
_OWN = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"))


def log_to_standard_error() -> None:
    """Write the log of services on standard error, unless somebody handles it already."""
    root = logging.getLogger()
    logger = logging.getLogger("quicgw")
    if root.handlers or logger.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines(text=sys.stderr.isatty()))
    root.addHandler(handler)
    logger.setLevel(logging.INFO)


class _Lines(logging.Formatter):
    """One line for each event, with its fields."""

    def __init__(self, *, text: bool) -> None:
        super().__init__()
        self._text = text

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter``."""
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        level, event = record.levelname.lower(), record.getMessage()
        if not self._text:
            said = {"event": event, **fields, "level": level, "logger": record.name, "timestamp": at}
            return json.dumps(said, ensure_ascii=False, default=str)
        trace = fields.pop("exception", None)
        shown = " ".join(f"{name}={value!r}" for name, value in fields.items())
        return f"{at} {level:7} {event}  {shown}" + (f"\n{trace}" if trace else "")
