"""A configured name is all its addresses: each is an instance, and they come and go with what the name means.

Until a name was looked up, and while that fails, it is one instance that is dialled by name, so that calls are made and
the log says why nobody answers. From the first answer on its addresses stand in for it. An address is taken out when
two answers in a row lack it, as some servers of names tell of a few at a time; calls under way to it are answered. When
a look-up fails, what was known stays. How long an answer holds is not told to programs, so names are looked up again
and again, at an interval.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from quicgw_fast.config import join_address, split_address
from quicgw_fast.upstream.lookup import lookup

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.upstream.directory import Directory
    from quicgw_fast.upstream.journal import UpstreamJournal
    from quicgw_fast.upstream.lookup import Resolve

LOOK: Final = 1.0
"""Seconds between two looks at which names are configured and due; those that were never found are due each time."""
PATIENCE: Final = 5.0
"""Seconds for one look-up."""

_log = logging.getLogger("quicgw.upstream")


@dataclass(slots=True)
class _Known:
    """What is known of one name."""

    due: float
    addresses: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    """Of those the ones that the last answer lacked."""
    looking: asyncio.Task[None] | None = None


class Names:
    """Keeps the directory in step with the names that it has, from ``start`` to ``close``."""

    def __init__(
        self, directory: Directory, journal: UpstreamJournal, clock: Clock, every: float, resolve: Resolve = lookup
    ) -> None:
        """``every`` name is looked up at that interval, in seconds."""
        self._directory = directory
        self._journal = journal
        self._now = clock.now
        self._every = every
        self._resolve = resolve
        self._known: dict[str, _Known] = {}
        self._task: asyncio.Task[None] | None = None

    def reconfigure(self, every: float) -> None:
        """Look names up at another interval, each from its next look-up on."""
        self._every = every

    def start(self) -> None:
        """Look names up, in the running loop."""
        self._task = asyncio.create_task(self._run(), name="upstream-names")

    async def close(self) -> None:
        """Look nothing up any more; idempotent."""
        tasks = [task for task in (self._task, *(known.looking for known in self._known.values())) if task is not None]
        self._task = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                self.look()
            except Exception:
                # A fault of the program, which must not leave every other name as it is for ever.
                _log.exception("look at names failed")
            await asyncio.sleep(min(LOOK, self._every))

    def look(self) -> None:
        """Begin the look-ups that are due, and have the directory hold what is known, whoever changed it since."""
        configured = self._directory.names()
        for gone in self._known.keys() - configured:
            looking = self._known.pop(gone).looking
            if looking is not None:
                looking.cancel()
        now = self._now()
        for name in configured:
            known = self._known.setdefault(name, _Known(now))
            if known.looking is None and known.due <= now:
                known.looking = asyncio.create_task(self._look_up(name, known), name=f"upstream-name-{name}")
        self._apply()

    async def _look_up(self, name: str, known: _Known) -> None:
        host, port = split_address(name)
        try:
            async with asyncio.timeout(PATIENCE):
                found = {join_address(ip, port) for ip in await self._resolve(host)}
        except OSError as error:  # also a TimeoutError
            self._journal.not_resolved(name, str(error) or f"no answer within {PATIENCE:g} s", len(known.addresses))
        else:
            gone = (known.addresses - found) & known.missing
            known.missing = known.addresses - found - gone
            known.addresses = found | known.missing
            self._apply()
        finally:
            known.due = self._now() + (self._every if known.addresses else min(LOOK, self._every))
            known.looking = None

    def _apply(self) -> None:
        self._directory.expand({name: known.addresses for name, known in self._known.items()})
