"""What is said of an action that has no handler here: to the client, and once to whoever runs the service.

A gateway sends an action to any instance of its service, so that two programs with different handlers under one name
answer some calls and refuse the others, by turns. Neither knows of the other one; what each can say is what it has,
and how programs are kept apart.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger("quicgw.service")

LONGEST_SHOWN = 64
"""Characters of an action in messages and in the log."""
NAMED_AT_MOST = 12
"""Handlers that a message names."""
WARNED_AT_MOST = 100
"""Actions of which the log tells: they are what clients write, and may be without end."""
REMEDY = (
    "every instance of a service must have all its handlers: give this program the handler, or keep the programs "
    'apart, as Service("business") and Service("zone") with routing.exact of the gateway'
)


class UnknownActions:
    """Says of each action once in the log that instances called ``name`` have no handler for it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._warned: set[str] = set()

    def told(self, action: str, known: Sequence[str]) -> str:
        """Return what the client is told, and warn in the log where it has not been said of this action."""
        shown, has = action[:LONGEST_SHOWN].lower(), _listed(known)
        if shown not in self._warned and len(self._warned) < WARNED_AT_MOST:
            self._warned.add(shown)
            fields = {"service": self._name, "action": shown, "handlers": has, "remedy": REMEDY}
            _log.warning("no handler for an action", extra=fields)
        return (
            f"this instance of {self._name!r} has no handler for {shown!r} (it has: {has}); "
            "every instance of a service must have them all"
        )


def _listed(known: Sequence[str]) -> str:
    names = [name[:LONGEST_SHOWN] for name in known[:NAMED_AT_MOST]]
    return ", ".join(names + ["…"] * (len(known) > NAMED_AT_MOST))
