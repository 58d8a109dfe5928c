"""Calls to upstream services: whose turn it is, the call itself, and what is said of failures."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Protocol, Self

from quicgw_fast.observe import Counter, Metrics
from quicgw_fast.observe.repeats import RepeatLog
from quicgw_fast.upstream import makers
from quicgw_fast.upstream.errors import (
    TOO_SLOW,
    NoInstance,
    UpstreamBusy,
    UpstreamCallError,
    UpstreamFailed,
    UpstreamTimeout,
)
from quicgw_fast.upstream.readiness import Readiness
from quicgw_fast.upstream.timeouts import sendable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
    from quicgw_fast.upstream.directory import Directory, Instance
    from quicgw_fast.upstream.routing import RoutingMode
    from quicgw_fast.upstream.seam import Channel, OpenChannel

_log = logging.getLogger("quicgw.upstream")

FORGET_AFTER = 3600.0
"""Seconds after which a registered instance that stays down is forgotten."""
ROUND = 1.0
"""Seconds between two looks at what is due."""
DEADLINE = "DEADLINE_EXCEEDED"


class UpstreamCaller(Protocol):
    """What the workers need of the upstream side."""

    async def call(self, request: UpstreamRequest, timeout: float) -> UpstreamResponse:
        """Call one instance of the request's service once; ``timeout`` in seconds. Raises an UpstreamCallError."""

    async def close(self) -> None:
        """Break off what is under way (it raises UpstreamFailed) and free everything."""

    def stats(self) -> dict[str, object]:
        """Return counts for /stats."""


class BalancingCaller:
    """The ``UpstreamCaller`` over one channel for each instance that the directory knows or learns.

    ``mode`` gives the service of a request. ``open_channel`` is a maker's, of the default one if there
    is none. ``refuse`` is asked with a service and how many
    calls of it are under way; a sentence says why there is to be no other. ``forget_after`` (seconds): a registered
    instance that is not healthy for so long leaves the directory.
    """

    def __init__(
        self,
        mode: RoutingMode,
        directory: Directory,
        *,
        open_channel: OpenChannel | None = None,
        refuse: Callable[[str, int], str | None] | None = None,
        metrics: Metrics | None = None,
        forget_after: float = FORGET_AFTER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mode = mode
        self._directory = directory
        self._open_channel = open_channel or makers.load(makers.DEFAULT).open_channel
        self._refuse = refuse
        self._counts = _register(metrics or Metrics())
        self._forget_after = forget_after
        self._clock = clock
        self._under_way: dict[str, int] = {}
        self._channels: dict[str, Channel] = {}
        self._leaving: dict[Channel, asyncio.Task[None]] = {}
        self._closed = False
        self._repeats = RepeatLog(_log)
        self.readiness = Readiness(mode, directory)
        self._housekeeping: asyncio.Task[None] | None = None

    def start(self) -> Self:
        """Dial, in the running loop; returns itself."""
        self._directory.listener = self
        for instance in self._directory.instances():
            self.instance_added(instance)
        self._housekeeping = asyncio.create_task(self._run(), name="upstream-housekeeping")
        return self

    async def call(self, request: UpstreamRequest, timeout: float) -> UpstreamResponse:
        """Call the instance whose turn it is of the request's service, once; ``timeout`` in seconds.

        Raises NoInstance, UpstreamBusy, UpstreamTimeout or UpstreamFailed, each of which is counted.
        Cancelling the task cancels the call.
        """
        try:
            return await self._call(self._mode.service_for(request.action, request.openid), request, timeout)
        except UpstreamCallError as error:
            self._counts[error.counter].value += 1
            raise

    async def _call(self, service: str, request: UpstreamRequest, timeout: float) -> UpstreamResponse:
        timeout = sendable(timeout)
        if timeout <= 0:
            raise UpstreamTimeout("no time was left for the call")
        if self._closed:
            raise UpstreamFailed("the gateway is stopping", "CANCELLED")
        under_way = self._under_way.get(service, 0)
        refused = self._refuse(service, under_way) if self._refuse is not None else None
        if refused is not None:
            raise UpstreamBusy(refused)
        instance = self._pick(service)
        self._under_way[service] = under_way + 1
        instance.calls += 1
        try:
            return await self._channels[instance.address].call(request, timeout)
        except UpstreamTimeout as error:
            instance.timeouts += 1
            self._tell_failure(instance, service, DEADLINE, TOO_SLOW, error.internal)
            raise
        except UpstreamFailed as error:
            instance.failures += 1
            instance.statuses[error.status] = instance.statuses.get(error.status, 0) + 1
            self._tell_failure(instance, service, error.status, error.cause, error.internal)
            raise
        finally:
            self._under_way[service] -= 1

    def _pick(self, service: str) -> Instance:
        try:
            return self._directory.pick(service)
        except NoInstance as error:
            self.warn("no upstream in service", service, {"service": service, "reason": error.internal})
            raise

    def _tell_failure(self, instance: Instance, service: str, status: str, cause: str, detail: str) -> None:
        fields = {"address": instance.address, "service": service, "status": status, "cause": cause, "detail": detail}
        # A deadline that passed and one that the service speaks of have the same status, and are different stories.
        subject = f"{instance.address} {cause if status == DEADLINE else status}"
        self.warn("upstream call failed", subject, fields)

    def warn(self, event: str, subject: str, fields: Mapping[str, object]) -> None:
        """Log a warning about ``subject``, an address for example: at once, then once a minute with the count."""
        self._repeats.add(logging.WARNING, event, subject, self._clock(), fields)

    # What becomes of the instances (DirectoryListener, ChannelListener)

    def instance_added(self, instance: Instance) -> None:
        """Dial the instance and follow its health."""
        instance.down_since = self._clock()
        self._channels[instance.address] = self._open_channel(instance, self)

    def instance_removed(self, instance: Instance, *, hang_up: bool) -> None:
        """Close the connection, at once or when the calls under way have ended."""
        channel = self._channels.pop(instance.address)
        ending: Coroutine[None, None, None] = channel.close() if hang_up else channel.drain()
        self._leaving[channel] = task = asyncio.create_task(ending, name=f"upstream-close-{instance.address}")
        task.add_done_callback(lambda _: self._leaving.pop(channel, None))
        self.readiness.look()

    def channel_up(self, instance: Instance) -> None:
        """Say that the instance is healthy."""
        self._repeats.add(logging.INFO, "upstream up", instance.address, self._clock(), self._names(instance))
        self.readiness.look()

    def channel_down(self, instance: Instance) -> None:
        """Say that the instance is not healthy, and why."""
        instance.down_since = self._clock()
        self.warn("upstream down", instance.address, {**self._names(instance), "reason": instance.reason})
        self.readiness.look()

    def _names(self, instance: Instance) -> dict[str, object]:
        return {"address": instance.address, "services": ",".join(self._directory.services_of(instance))}

    async def wait_reached(self, instance: Instance, seconds: float) -> bool:
        """Wait at most ``seconds`` until the instance is connected for the first time; return whether it ever was."""
        channel = self._channels.get(instance.address)
        if channel is not None:
            await channel.wait_reached(seconds)
        return instance.reached

    async def _run(self) -> None:
        """Do every second what is due; cancel to stop."""
        while True:
            await asyncio.sleep(ROUND)
            self.round(self._clock())

    def round(self, now: float) -> None:
        """Forget who stays away, and write what the log has not said yet; ``now`` in monotonic seconds."""
        for instance in self._directory.forget(now, self._forget_after):
            why = f"{instance.reason or 'not connected'}, for {self._forget_after:g} s; it may register again"
            _log.warning("upstream forgotten", extra={"address": instance.address, "reason": why})
        self.readiness.look()
        self._repeats.flush(now)

    async def close(self) -> None:
        """Break off what is under way (it raises UpstreamFailed) and close every channel; idempotent."""
        self._closed = True
        self._directory.listener = None
        channels = [*self._channels.values(), *self._leaving]
        self._channels.clear()
        await asyncio.gather(*(channel.close() for channel in channels), *self._leaving.values())
        if self._housekeeping is not None:
            self._housekeeping.cancel()
            await asyncio.wait({self._housekeeping})

    def stats(self) -> dict[str, object]:
        """Return per instance address, services, health and counts; a cancelled call is only in ``calls``."""
        return {
            "under_way": {service: count for service, count in self._under_way.items() if count},
            "instances": [
                {
                    "address": instance.address,
                    "services": list(self._directory.services_of(instance)),
                    "registered": instance.registered,
                    "healthy": instance.healthy,
                    "reason": instance.reason,
                    "calls": instance.calls,
                    "failures": instance.failures,
                    "failures_by_status": dict(instance.statuses),
                    "timeouts": instance.timeouts,
                    "in_flight": instance.in_flight,
                }
                for instance in self._directory.instances()
            ],
        }


def _register(metrics: Metrics) -> dict[str, Counter]:
    """The counters of calls that failed; each kind of error names its own."""
    return {
        "upstream_failures": metrics.counter("upstream_failures", "Calls of services that failed"),
        "upstream_timeouts": metrics.counter("upstream_timeouts", "Calls of services that were not answered in time"),
        "upstream_busy": metrics.counter("upstream_busy", "Calls that were not made, as the service has its most"),
        "upstream_unavailable": metrics.counter("upstream_unavailable", "Calls for which no service was there"),
    }
