"""Calls to upstream services over gRPC: one reused channel per address, and its health."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

import grpc
from google.protobuf.message import DecodeError

from quicgw_fast._proto.service_pb2 import UpstreamRequest, UpstreamResponse
from quicgw_fast.upstream.errors import UpstreamBusy, UpstreamFailed, UpstreamTimeout
from quicgw_fast.upstream.timeouts import sendable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quicgw_fast.upstream.directory import Directory, Instance

logger = logging.getLogger(__name__)

PROCESS_REQUEST = "/gatesvr.proto.UpstreamService/ProcessRequest"

CHANNEL_OPTIONS: Sequence[tuple[str, int]] = (
    # An upstream that comes back is used within about 2 s: a new attempt at least every second, and an
    # attempt that gets no answer at all (a host that is down) is given up after one second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    # A ping every 5 minutes is the most that default gRPC servers tolerate. With it comes TCP_USER_TIMEOUT,
    # which breaks a connection whose peer is gone without a word 10 s after the first unacknowledged byte.
    ("grpc.keepalive_time_ms", 310_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.client_idle_timeout_ms", 2**31 - 1),
    # A little over the frame limit, so that the gateway sees a too large answer and can say so itself.
    ("grpc.max_receive_message_length", (1 << 20) + (64 << 10)),
    # At most once: the gateway cannot know whether an action may be done twice, the client can. gRPC's own
    # retries would not help anyway, as each channel has one address.
    ("grpc.enable_retries", 0),
    # An address is dialled as configured, whatever http_proxy says, and its backoff is shared with nobody.
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)

# Seconds to wait for gRPC to end what it usually ends at once.
_PATIENCE = 0.5

_HEALTH = {
    grpc.ChannelConnectivity.READY: True,
    grpc.ChannelConnectivity.TRANSIENT_FAILURE: False,
}


class UpstreamCaller(Protocol):
    """What the workers need of the upstream side."""

    async def call(self, service: str, request: UpstreamRequest, timeout: float) -> UpstreamResponse:  # noqa: ASYNC109
        """Call one instance of ``service`` once; ``timeout`` in seconds. Raises an UpstreamError."""

    async def close(self) -> None:
        """Break off what is under way (it raises UpstreamFailed) and free everything."""

    def stats(self) -> dict[str, object]:
        """Return counts for /stats."""


class GrpcCaller:
    """``UpstreamCaller`` over grpc.aio; it dials what the directory knows or learns.

    Make it inside the running loop.
    ``max_concurrency`` bounds the calls under way per service; 0 sets no limit.
    """

    def __init__(self, directory: Directory, max_concurrency: int = 0) -> None:
        self._directory = directory
        self._max_concurrency = max_concurrency
        self._under_way: dict[str, int] = {}
        self._links: dict[str, _Link] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False
        directory.listener = self
        for instance in directory.instances():
            self.instance_added(instance)

    async def call(self, service: str, request: UpstreamRequest, timeout: float) -> UpstreamResponse:  # noqa: ASYNC109
        """Call the instance of ``service`` whose turn it is, once; ``timeout`` in seconds.

        Raises NoInstance, UpstreamBusy, UpstreamTimeout or UpstreamFailed.
        Cancelling the task cancels the call.
        """
        timeout = sendable(timeout)
        if timeout <= 0:
            raise UpstreamTimeout("no time was left for the call")
        if self._closed:
            raise UpstreamFailed("the gateway is stopping", "CANCELLED")
        under_way = self._under_way.get(service, 0)
        if 0 < self._max_concurrency <= under_way:
            raise UpstreamBusy(service, self._max_concurrency)
        instance = self._directory.pick(service)
        link = self._links[instance.address]
        self._under_way[service] = under_way + 1
        instance.in_flight += 1
        instance.calls += 1
        try:
            return await link.call(request, timeout)
        except UpstreamTimeout:
            instance.timeouts += 1
            raise
        except UpstreamFailed:
            instance.failures += 1
            raise
        finally:
            instance.in_flight -= 1
            self._under_way[service] -= 1

    def instance_added(self, instance: Instance) -> None:
        """Dial the instance and follow its health (DirectoryListener)."""
        self._links[instance.address] = _Link(instance)

    def instance_removed(self, instance: Instance) -> None:
        """Hang up: what is under way there fails (DirectoryListener)."""
        link = self._links.pop(instance.address)
        task = asyncio.create_task(link.close(), name=f"upstream-close-{instance.address}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Break off what is under way (it raises UpstreamFailed) and close every channel; idempotent."""
        self._closed = True
        self._directory.listener = None
        links = list(self._links.values())
        self._links.clear()
        await asyncio.gather(*(link.close() for link in links), *self._closing)

    def stats(self) -> dict[str, object]:
        """Return per instance address, services, health and counts; a cancelled call is only in ``calls``."""
        return {
            "under_way": {service: count for service, count in self._under_way.items() if count},
            "max_concurrency": self._max_concurrency,
            "instances": [
                {
                    "address": instance.address,
                    "services": list(self._directory.services_of(instance)),
                    "registered": instance.registered,
                    "healthy": instance.healthy,
                    "calls": instance.calls,
                    "failures": instance.failures,
                    "timeouts": instance.timeouts,
                    "in_flight": instance.in_flight,
                }
                for instance in self._directory.instances()
            ],
        }


class _Link:
    """The channel to one address."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._channel = grpc.aio.insecure_channel(target_of(instance.address), CHANNEL_OPTIONS)
        # Answers are parsed here: gRPC's own deserializing logs an unreadable one and returns None for it.
        self._process = self._channel.unary_unary(PROCESS_REQUEST, UpstreamRequest.SerializeToString, _raw)
        self._closed = False
        self._watcher = asyncio.create_task(self._watch(), name=f"upstream-health-{instance.address}")

    async def call(self, request: UpstreamRequest, timeout: float) -> UpstreamResponse:  # noqa: ASYNC109
        # The failure is raised outside of the handlers: with a gRPC error as its context it would keep the
        # call alive, and a channel does not shut down before its last call is gone.
        failure: UpstreamTimeout | UpstreamFailed
        try:
            answer = await self._process(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            failure = _translate(error, self._instance.address)
        except grpc.aio.BaseError as error:
            failure = UpstreamFailed(f"{self._instance.address}: {error}", "CANCELLED")
        except asyncio.CancelledError:
            # Closing a channel cancels its calls, and gRPC reports that as if the waiting task was.
            task = asyncio.current_task()
            if not self._closed or (task is not None and task.cancelling()):
                raise
            failure = UpstreamFailed(f"{self._instance.address}: the gateway hung up", "CANCELLED")
        else:
            return self._parsed(answer)
        raise failure

    def _parsed(self, answer: bytes) -> UpstreamResponse:
        try:
            return UpstreamResponse.FromString(answer)
        except DecodeError as error:
            raise UpstreamFailed(f"{self._instance.address} answered what is no UpstreamResponse") from error

    async def close(self) -> None:
        self._closed = True
        await self._channel.close()
        # That ends the watch too, unless somebody still holds one of the channel's calls.
        await asyncio.wait({self._watcher}, timeout=_PATIENCE)
        self._watcher.cancel()

    async def _watch(self) -> None:
        """Follow the channel's state until it is closed, and dial again whenever the connection is gone."""
        was_ready = False
        try:
            while not self._closed:
                state = self._channel.get_state(try_to_connect=True)
                if was_ready and state is grpc.ChannelConnectivity.IDLE:
                    # The connection just broke. Others are tried first until this one is up again.
                    self._set_health(healthy=False)
                elif state in _HEALTH:
                    self._set_health(healthy=_HEALTH[state])
                was_ready = state is grpc.ChannelConnectivity.READY
                await self._channel.wait_for_state_change(state)
        except (grpc.aio.BaseError, RuntimeError):
            # Closing the channel ends the wait like this. In any other case health is unknown from here on.
            if not self._closed:
                self._instance.healthy = True
                logger.exception("the health of upstream %s is no longer followed", self._instance.address)

    def _set_health(self, *, healthy: bool) -> None:
        if healthy != self._instance.healthy:
            self._instance.healthy = healthy
            logger.info("upstream %s is %s", self._instance.address, "up" if healthy else "down")


def target_of(address: str) -> str:
    """Return the gRPC target of a ``host:port``, with its scheme, so that no host is taken for a scheme."""
    host = address.rpartition(":")[0]
    if host.startswith("["):
        return f"ipv6:{address}"
    return f"ipv4:{address}" if host.replace(".", "").isdigit() else f"dns:///{address}"


def _raw(answer: bytes) -> bytes:
    return answer


def _translate(error: grpc.aio.AioRpcError, address: str) -> UpstreamTimeout | UpstreamFailed:
    status = error.code()
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return UpstreamTimeout(f"{address} did not answer in time")
    return UpstreamFailed(f"{address}: {status.name}: {error.details() or 'no details'}", status.name)
