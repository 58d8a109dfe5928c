"""Those who watch over gRPC (protocol §2): each reads the log at the pace at which it takes what it is sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.codes import GapReason, LifecycleKind
from quicgw_fast.errors import WatchRefused
from quicgw_fast.events.reading import Reader, WantedEvents
from quicgw_fast.proto import service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from quicgw_fast.events.log import EventLog, LoggedEvent
    from quicgw_fast.events.reading import EventBatch
    from quicgw_fast.observe import Metrics

AT_ONCE = 64
"""Events that are read at once: so few keep the loop for a fraction of a millisecond."""


class Watches:
    """Begins what ``WatchEvents`` asks for."""

    def __init__(self, log: EventLog, metrics: Metrics) -> None:
        self._log = log
        self._watching = 0
        self._nobody = asyncio.Event()
        self._nobody.set()
        metrics.gauge("event_watchers", "Those who watch events over gRPC", lambda: self._watching)
        self._count_missed = metrics.counter(
            "events_missed", "Events that a watcher was not told, as they were not kept any more; it was told so"
        )

    async def ended(self) -> None:
        """Wait until nobody watches any more."""
        await self._nobody.wait()

    @property
    def gateway(self) -> str:
        """What this process is called in its events."""
        return self._log.gateway

    def watch(self, request: pb.WatchEventsRequest) -> AsyncGenerator[pb.LifecycleEvent]:
        """Tell the events that are asked for; ends when no more will come. Raises WatchRefused at once."""
        log = self._log
        if not log.keep:
            raise WatchRefused("events are switched off at this gateway: set events.keep")
        known = {int(kind) for kind in LifecycleKind if kind is not LifecycleKind.GAP}
        if not known.issuperset(request.kinds):
            raise WatchRefused(f"kinds has {sorted(set(request.kinds) - known)}, which are none to ask for")
        if request.after and not request.gateway:
            raise WatchRefused("after means nothing without gateway: ids begin anew with each gateway's start")
        ours = request.gateway == log.gateway
        if ours and request.after > log.last:
            raise WatchRefused(f"after is {request.after}, and the last event of this gateway is {log.last}")
        wanted = WantedEvents(frozenset(map(LifecycleKind, request.kinds)), request.openid)
        reader = Reader(log, wanted, request.after if ours else 0)
        until = log.last if request.until_now else None
        if not request.gateway:  # it saw nothing yet, and misses nothing that was before
            reader.position = log.first - 1
        return self._tell(reader, strange=bool(request.gateway) and not ours, until=until)

    async def _tell(self, reader: Reader, *, strange: bool, until: int | None) -> AsyncGenerator[pb.LifecycleEvent]:
        self._watching += 1
        self._nobody.clear()
        try:
            with reader:
                if strange:
                    yield self._other_gateway(reader)
                while until is None or reader.position < until:
                    batch = reader.look(AT_ONCE) if until is not None else await reader.more(AT_ONCE)
                    if batch is None:
                        return
                    for message in self._messages(batch):
                        if until is None or message.id <= until or message.kind == pb.EVENT_KIND_GAP:
                            yield message
                    reader.position = batch.end
        finally:
            self._watching -= 1
            if not self._watching:
                self._nobody.set()

    def _other_gateway(self, reader: Reader) -> pb.LifecycleEvent:
        """Tell that the one that was watched is gone, and what this one does not keep any more."""
        missed = range(1, self._log.first)
        reader.position = self._log.first - 1
        self._count_missed.value += len(missed)
        return self._gap(missed, GapReason.OTHER_GATEWAY)

    def _messages(self, batch: EventBatch) -> Iterator[pb.LifecycleEvent]:
        if batch.missed:
            self._count_missed.value += len(batch.missed)
            yield self._gap(batch.missed, GapReason.OUTRUN)
        for event in batch.events:
            yield message_of(event, self._log.gateway)

    def _gap(self, missed: range, reason: GapReason) -> pb.LifecycleEvent:
        return pb.LifecycleEvent(
            gateway=self._log.gateway,
            kind=pb.EVENT_KIND_GAP,
            reason=reason,
            missed_from=missed.start,
            id=missed.stop - 1,
        )


def message_of(event: LoggedEvent, gateway: str) -> pb.LifecycleEvent:
    """An event as it is sent."""
    return pb.LifecycleEvent(
        gateway=gateway,
        id=event.id,
        at=event.at,
        kind=event.kind.value,  # type: ignore[arg-type]
        reason=event.reason,
        **event.of._asdict(),
    )
