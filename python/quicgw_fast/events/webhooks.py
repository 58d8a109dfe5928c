"""Programs that are told by HTTP what happens to sessions (protocol §2).

Each URL has a reader of its own, which goes on behind a batch only when that was answered 2xx: so what is told comes
in order, and comes again where an answer got lost. While nobody answers nothing piles up here: the log moves on, and
how many events it forgot meanwhile is in the next batch. What is only here dies with the process.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import random
import time
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from quicgw_fast.codes import LifecycleKind
from quicgw_fast.config import read_small, warn_if_exposed
from quicgw_fast.errors import SettingError
from quicgw_fast.events.posting import Poster, PostFailed
from quicgw_fast.events.reading import Reader, WantedEvents
from quicgw_fast.observe.repeats import RepeatLog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from quicgw_fast.config import WebhookConfig
    from quicgw_fast.events.log import EventLog, LoggedEvent
    from quicgw_fast.events.reading import EventBatch
    from quicgw_fast.observe import Metrics

SIGNATURE: Final = "Quicgw-Signature"
FIRST_PAUSE = 0.5
"""Seconds before the second try; twice as many before each further one."""
LONGEST_PAUSE = 30.0
SHORTEST_SHARE = 0.5
"""Of a pause, that chance leaves at least: gateways whose receiver came back do not all call at once."""
LEAST_SECRET = 16
"""Bytes."""
DELIVERED, FAILED, GONE = "delivered", "failed", "gone"

_log = logging.getLogger("quicgw.events")


@dataclass(frozen=True, slots=True)
class HookSettings:
    """What is sent, and where to."""

    urls: tuple[str, ...]
    wanted: WantedEvents
    batch: int
    timeout: float
    """Seconds."""
    secret: bytes | None = field(repr=False)


def read_hooks(config: WebhookConfig) -> HookSettings:
    """Read what ``[webhook]`` says and names; SettingError when the secret cannot be used."""
    secret = None
    if config.secret_file is not None:
        secret = _read_secret(config.secret_file)
    wanted = WantedEvents(frozenset(LifecycleKind[kind] for kind in config.kinds))
    return HookSettings(tuple(dict.fromkeys(config.urls)), wanted, config.batch, config.answer_within, secret)


def _read_secret(path: Path) -> bytes:
    where, key = "webhook.secret_file", ("webhook", "secret_file")
    try:
        secret = read_small(path).strip()
        warn_if_exposed(path, where)
    except OSError as error:
        told = f"{where}: cannot read {path}: {error.strerror or error}; give the path of a readable file"
        raise SettingError(key, told) from error
    if len(secret) < LEAST_SECRET:
        told = f"{where}: {path} has {len(secret)} bytes, and {LEAST_SECRET} at least are needed"
        raise SettingError(key, f"{told}; make one with `openssl rand -hex 32`")
    return secret


def signature(secret: bytes, at: int, body: bytes) -> str:
    """Sign a body as sent ``at`` seconds since 1970: who gets it can tell that it is from here, and not an old one."""
    signed = hmac.new(secret, b"%d.%s" % (at, body), hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


class Webhooks:
    """All URLs that are told, each by a task of its own."""

    def __init__(self, log: EventLog, metrics: Metrics, config: WebhookConfig) -> None:
        """Raises ConfigError when the secret cannot be used."""
        self._settings = read_hooks(config)
        self._events = log
        self._hooks: dict[str, _Hook] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """By URL, also of hooks that were switched off by their receivers."""
        self._counts = _Counts(metrics)
        metrics.gauge(
            "webhook_events_waiting",
            "Events that the webhook has not taken which has most to take",
            lambda: max((hook.behind for hook in self._hooks.values() if not hook.gone), default=0),
        )

    def start(self) -> None:
        """Begin to tell, in the running loop."""
        self._follow()

    async def ended(self) -> None:
        """Wait until all were told everything, after the log was closed."""
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    def prepare(self, settings: HookSettings) -> Callable[[], None]:
        """Return how other settings are taken: a URL that stays goes on where it is."""
        return partial(self._take, settings)

    async def stop(self) -> None:
        """Tell nothing more; what was not told is lost, and said."""
        tasks = list(self._tasks.values())
        for url in list(self._tasks):
            self._drop(url)
        await asyncio.gather(*tasks, return_exceptions=True)
        lost = max((hook.behind for hook in self._hooks.values() if not hook.gone), default=0)
        if lost:
            _log.warning("events not sent", extra={"events": lost, "reason": "the gateway stops"})
        self._hooks.clear()

    def _take(self, settings: HookSettings) -> None:
        self._settings = settings
        for url in set(self._hooks) - set(settings.urls):
            self._drop(url)
            del self._hooks[url]
        for hook in self._hooks.values():
            hook.use(settings)
        self._follow()

    def _follow(self) -> None:
        """Have each URL told that is not yet, of what happens from now on."""
        if not self._events.keep:
            return
        for url in self._settings.urls:
            if url not in self._hooks:
                hook = self._hooks[url] = _Hook(url, self._events, self._settings, self._counts)
                self._tasks[url] = asyncio.create_task(hook.run(), name=f"webhook {url}")

    def _drop(self, url: str) -> None:
        task = self._tasks.pop(url)
        task.cancel()


class _Counts:
    def __init__(self, metrics: Metrics) -> None:
        self.tries = metrics.counters(
            "webhook_tries",
            "Batches of events that were sent to webhooks, and what came of it",
            ("result",),
            [(result,) for result in (DELIVERED, FAILED, GONE)],
        )
        self.events = metrics.counter("webhook_events", "Events that webhooks took")
        self.missed = metrics.counter(
            "webhook_events_missed", "Events that were not kept until a webhook took them; the next batch says how many"
        )


class _Hook:
    """One URL, which is told until it says that it is gone."""

    def __init__(self, url: str, events: EventLog, settings: HookSettings, counts: _Counts) -> None:
        self.gone = False
        """Whether the receiver wants nothing more."""
        self._settings = settings
        self._url = url
        self._events = events
        self._counts = counts
        self._reader = Reader(events, settings.wanted, events.last)
        self._poster = Poster(url)
        self._repeats = RepeatLog(_log)

    @property
    def behind(self) -> int:
        """Events that it has to look at, at most those that were ever there."""
        return self._events.last - self._reader.position

    def use(self, settings: HookSettings) -> None:
        """Go by other settings from the next batch on."""
        self._settings = settings
        self._reader.wanted = settings.wanted

    async def run(self) -> None:
        """Tell what happens, in order; returns when nothing more will, or when nobody wants it."""
        with self._reader as reader:
            while True:
                batch = await reader.more(self._settings.batch)
                if batch is None or not await self._deliver(batch):
                    return
                reader.position = batch.end

    async def _deliver(self, batch: EventBatch) -> bool:
        """Send a batch until it is taken; False when nothing more is wanted."""
        body, pause = self._body(batch), FIRST_PAUSE
        self._counts.missed.value += len(batch.missed)
        while True:
            result, why = await self._try(body)
            self._counts.tries[(result,)].value += 1
            if result == DELIVERED:
                self._counts.events.value += len(batch.events)
                return True
            if result == GONE:
                self.gone = True
                effect = "nothing more is sent there until the next start"
                _log.warning("webhook gone", extra={"url": self._url, "reason": why, "effect": effect})
                return False
            told = {"url": self._url, "reason": why, "again_in": round(pause, 1)}
            now = time.monotonic()
            self._repeats.add(logging.WARNING, "webhook failed", self._url, now, told)
            self._repeats.flush(now)
            await asyncio.sleep(pause * random.uniform(SHORTEST_SHARE, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _try(self, body: bytes) -> tuple[str, str]:
        """Return what came of it, and why."""
        headers = {"Content-Type": "application/json", "User-Agent": "quicgw"}
        if self._settings.secret is not None:
            headers[SIGNATURE] = signature(self._settings.secret, int(time.time()), body)
        try:
            status = await self._poster.post(body, headers, self._settings.timeout)
        except PostFailed as error:
            return FAILED, str(error)
        if 200 <= status < 300:
            return DELIVERED, ""
        return GONE if status == HTTPStatus.GONE else FAILED, f"status {status}"

    def _body(self, batch: EventBatch) -> bytes:
        document = {
            "version": 1,
            "gateway": self._events.gateway,
            "missed": len(batch.missed),
            "events": [shown(event) for event in batch.events],
        }
        return json.dumps(document, separators=(",", ":")).encode()


def shown(event: LoggedEvent) -> dict[str, Any]:
    """An event as JSON has it."""
    return {
        "id": event.id,
        "at": round(event.at, 6),
        "kind": event.kind.name,
        "reason": event.reason,
        **event.of._asdict(),
    }
