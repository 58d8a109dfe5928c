"""Descriptors that are used up: nothing else says so where it happens.

The clients' socket is one descriptor for all, so that they notice nothing. But no TCP connection can be accepted or
made: operators, services that push, and services that have to be dialled again stay outside, for reasons that look
like theirs.
"""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicgw_fast.observe.metrics import Metrics

LOOK_EVERY = 5.0
"""Seconds between two looks; one takes a few microseconds."""
_USED_UP = (errno.EMFILE, errno.ENFILE)

_log = logging.getLogger("quicgw.gateway")


class Descriptors:
    """Tries now and then whether there is one left, and says when there is none, and when there is one again."""

    def __init__(self, metrics: Metrics) -> None:
        metrics.gauge("descriptors_used_up", "Whether no file or connection can be opened", lambda: int(self._used_up))
        self._used_up = False
        self._next = 0.0

    def look(self, now: float) -> None:
        """Look if it is time to (monotonic seconds)."""
        if now < self._next:
            return
        self._next = now + LOOK_EVERY
        used_up = _none_left()
        if used_up and not self._used_up:
            effect = "no connection is accepted for pushes and admin pages, and no service is dialled"
            remedy = "raise the limit of open files (ulimit -n, LimitNOFILE), or find who holds so many connections"
            _log.error("descriptors used up", extra={"effect": effect, "remedy": remedy})
        elif self._used_up and not used_up:
            _log.info("descriptors free again")
        self._used_up = used_up


def _none_left() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in _USED_UP
    return False
