"""How often the interpreter looks for garbage in cycles, in a process that keeps thousands of sessions."""

from __future__ import annotations

import gc
from typing import Final

THRESHOLDS: Final = (5_000, 10, 10)
"""Objects more than before that begin a collection of the young ones, and how many of those begin one of the next age.

A session is some ten objects that stay. With the interpreter's 700, each fortieth login would walk through all that
came lately, and every few thousandth through all sessions: together half of what a login costs here. A connection that
ended leaves about 2 KiB that only a full collection finds, so some 60 MiB wait for it at most.
"""


def spare_collections() -> None:
    """Leave what a started gateway is made of out of all collections, and collect the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
