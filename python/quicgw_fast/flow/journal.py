"""Where it is counted and said that sessions begin and connections end, whoever decided it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from quicgw_fast.addresses import address_group
from quicgw_fast.backend import TokenBucket
from quicgw_fast.codes import OTHER_CLOSE, CloseCode, close_name
from quicgw_fast.observe.repeats import RepeatLog
from quicgw_fast.session import DOWN, UP, EntryKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Session

LINES = (20.0, 200)
"""Lines a second, and at once, before they are told together: clients that come back do so in thousands."""
FAULTS = frozenset(code for code in CloseCode if code.alarming)
"""Closes by the gateway that somebody should look into."""

_log = logging.getLogger("quicgw.session")


class Journal:
    """Counts closes by code, and writes a line for each beginning and end unless there are too many."""

    def __init__(self, metrics: Metrics) -> None:
        self._repeats = RepeatLog(_log)
        self._lines = TokenBucket(*LINES)
        self._count_closes = metrics.counters(
            "closes",
            "Connections that ended, by who closed them and with which code",
            ("by", "code"),
            [(by, name) for by in ("gateway", "client") for name in (*CloseCode.__members__, OTHER_CLOSE)],
        )

    def began(self, session: Session, peer: str, how: str, now: float) -> None:
        """Tell that ``session`` has a connection from ``peer``; ``how`` is started, resumed, or reset."""
        if session.trail is not None:
            session.trail.append((now, UP, EntryKind.START, session.cursor, 0, None, how, None))
        fields = {"how": how, **session.ids, "peer": peer}
        self._add(logging.INFO, "session attached", session.openid, now, fields)

    def ended(self, peer: str, session: Session | None, code: int, reason: str, *, by_peer: bool, now: float) -> None:
        """Count and tell the end of an established connection: the one place that learns of all of them.

        ``session`` is the one that it had, None when no START was taken.
        """
        name = close_name(code)
        by = "client" if by_peer else "gateway"
        self._count_closes[by, name].value += 1
        if session is not None and session.trail is not None:
            session.trail.append((now, UP if by_peer else DOWN, EntryKind.CLOSE, None, 0, None, name, None))
        fields = {
            "close": name if name != OTHER_CLOSE else f"{code:#x}",
            "by": by,
            "detail": reason.removeprefix(f"{name}: "),
            "peer": peer,
        }
        if session is not None:
            fields |= session.ids
        level = logging.WARNING if not by_peer and code in FAULTS else logging.INFO
        self._add(level, "disconnected", f"{address_group(peer)} {name} {by_peer}", now, fields)

    def flush(self, now: float) -> None:
        """Write the lines that are due."""
        self._repeats.flush(now)

    def _add(self, level: int, event: str, subject: str, now: float, fields: Mapping[str, object]) -> None:
        if self._lines.take(now) > 0:
            subject = f"many {level}"
        self._repeats.add(level, event, subject, now, fields)
