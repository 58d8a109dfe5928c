"""Reads the configuration again and has a running gateway take it, all of it or nothing.

First everything is read and checked: the file, with the environment and the flags over it as at the start, and each
part of the gateway prepares what it will need (a certificate with its key, keys of tokens, addresses). Whatever is
wrong there refuses the whole: what was there stays in use, and nothing has changed. Only then each part takes its
settings, in steps that cannot fail and between which nothing else runs. Keys that need a restart keep their values and
are named, every time, until there was one.

One reload runs at a time; who asks while one runs gets the next. A gateway that stops takes nothing new.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from quicgw_fast.config import advice, changes, files, require_sense, without_restart
from quicgw_fast.errors import GatewayError, StartupError
from quicgw_fast.observe import Unit
from quicgw_fast.reloading.fingerprints import NO_FILE
from quicgw_fast.reloading.watch import FileWatch

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from quicgw_fast.clock import Clock
    from quicgw_fast.config import Change, Config
    from quicgw_fast.observe import Metrics
    from quicgw_fast.reloading.fingerprints import Fingerprints

Take: TypeAlias = Callable[[], None]
"""Has a part of the gateway take settings that were checked; cannot fail."""
Prepare: TypeAlias = "Callable[[Config], Awaitable[Take]]"
"""Checks settings for a part of the gateway and reads the files that they name; raises StartupError, and then nothing
has changed."""

ReadAgain: TypeAlias = "Callable[[], AbstractContextManager[Config]]"
"""Reads what is written now. What is found wrong within the context is told with its place (``config.located``)."""


class Origin(NamedTuple):
    """Where the configuration of a process is from."""

    read_again: ReadAgain
    path: Path | None
    """The file of it, if there is one."""


WATCH = "watch"
"""The cause of a reload that nobody asked for."""

_log = logging.getLogger("quicgw.reload")


class ReloadRefused(GatewayError):
    """The configuration cannot be used; what was there before is kept."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload brought."""

    changed: tuple[Change, ...] = ()
    """Keys whose new value counts from now on."""
    waiting: tuple[Change, ...] = ()
    """Keys whose new value needs a restart."""
    files: tuple[str, ...] = ()
    """Keys of files with another content."""

    def report(self) -> dict[str, object]:
        """The same as can be written as JSON."""
        return {
            "changed": {one.key: {"before": one.before, "now": one.after} for one in self.changed},
            "files": list(self.files),
            "needs_restart": {one.key: {"stays": one.before, "written": one.after} for one in self.waiting},
        }


class Reloader:
    """Whoever wants the configuration read again asks here."""

    def __init__(
        self,
        config: Config,
        origin: Origin,
        parts: Callable[[], list[Prepare]],
        stopping: Callable[[], bool],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """``config`` is in use, and was read from ``origin``.

        ``parts`` are asked for each time; ``stopping`` tells whether it is too late.
        """
        self.config = config
        """What is in use."""
        self._read_again, self._path = origin
        self._parts = parts
        self._stopping = stopping
        self._clock = clock
        self._watch = FileWatch()
        self._taken: Fingerprints = self._watch.reading(self._paths(config))
        """What the files held whose content is in use."""
        self._turn = asyncio.Lock()
        self._asked = asyncio.Event()
        self._causes: list[str] = []
        self._ok, self._at = True, clock.wall()
        metrics.gauge(
            "config_reload_ok", "Whether the configuration as it was last read is in use", lambda: self._ok, Unit.FLAG
        )
        told = "When the configuration that is in use was read, in seconds since 1970"
        metrics.gauge("config_read", told, lambda: self._at, Unit.SECONDS)
        self._counts = metrics.counters(
            "config_reloads", "Times that the configuration was read again", "result", ("applied", "refused")
        )

    def ask(self, cause: str) -> None:
        """Have it read soon; ``cause`` is for the log. Many who ask at once are one."""
        if cause not in self._causes:
            self._causes.append(cause)
        self._asked.set()

    async def run(self) -> None:
        """Read it whenever somebody asked or a file has changed, for ever; cancel to stop."""
        while True:
            cause = await self._cause()
            if cause:
                with contextlib.suppress(ReloadRefused):  # said and counted already
                    await self.reload(cause)

    async def reload(self, cause: str) -> Reloaded:
        """Read and take the configuration; ``cause`` is for the log. Raises ReloadRefused when it cannot be used."""
        async with self._turn:
            try:
                reloaded = await self._reload()
            except Exception as error:
                self._refused(cause, error)
                raise ReloadRefused(str(error)) from error
            self._told(cause, reloaded)
            return reloaded

    async def _reload(self) -> Reloaded:
        if self._stopping():
            raise StartupError("the gateway stops and takes no other configuration")
        found = {} if self._path is None else dict(await asyncio.to_thread(self._watch.reading, [self._path]))
        _require_files(found)
        with self._read_again() as written:
            config = without_restart(self.config, written)
            require_sense(config)
            # Before they are read, so that what is written meanwhile is seen at the next look.
            found |= await asyncio.to_thread(self._watch.reading, files(config).values())
            _require_files(found)
            take = [await prepare(config) for prepare in self._parts()]
        if self._stopping():
            raise StartupError("the gateway began to stop while the configuration was read")
        for step in take:
            step()
        differing = list(changes(self.config, written))
        reloaded = Reloaded(
            tuple(change for change in differing if change.live),
            tuple(change for change in differing if not change.live),
            tuple(key for key, path in files(config).items() if self._taken.get(path, found[path]) != found[path]),
        )
        self.config, self._taken = config, found
        self._watch.only(found)
        return reloaded

    def _paths(self, config: Config) -> list[Path]:
        return [*([] if self._path is None else [self._path]), *files(config).values()]

    async def _cause(self) -> str:
        """Wait until somebody asked, or for the time between two looks; the cause, empty when there is none."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.server.watch or None):
                await self._asked.wait()
        self._asked.clear()
        causes, self._causes = self._causes, []
        if causes:
            return ", ".join(causes)
        return WATCH if await asyncio.to_thread(self._watch.look) else ""

    def _refused(self, cause: str, error: Exception) -> None:
        self._ok = False
        self._counts["refused"].value += 1
        known = isinstance(error, StartupError | OSError)
        fields = {"cause": cause, "explanation": str(error), "effect": "what was in use stays in use"}
        _log.error("configuration refused", extra=fields, exc_info=None if known else error)

    def _told(self, cause: str, reloaded: Reloaded) -> None:
        self._ok, self._at = True, self._clock.wall()
        self._counts["applied"].value += 1
        for change in reloaded.changed:
            _log.info("setting changed", extra={"setting": change.key, "before": change.before, "now": change.after})
        for key in reloaded.files:
            _log.info("file changed", extra={"setting": key, "file": str(files(self.config)[key])})
        for change in reloaded.waiting:
            fields = {"setting": change.key, "stays": change.before, "written": change.after}
            _log.warning("setting needs a restart", extra=fields)
        for told in advice(self.config):
            _log.warning("check the configuration", extra={"explanation": told})
        counts = {"changed": len(reloaded.changed) + len(reloaded.files), "needs_restart": len(reloaded.waiting)}
        _log.info("configuration reloaded", extra={"cause": cause, **counts})


def _require_files(found: Fingerprints) -> None:
    """Raise StartupError for what may never answer, or answers another thing each time."""
    for path, content in found.items():
        if content == NO_FILE:
            raise StartupError(f"{path} is no regular file, and can be read at the start alone; name a file")
