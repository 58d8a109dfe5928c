"""The channel to one upstream address: the calls over it, and what is known of its connection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import DecodeError

from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
from quicgw_fast.upstream.errors import AnswerTooLarge, UpstreamFailed, UpstreamTimeout
from quicgw_fast.upstream.grpcio.causes import cause_of, size_over_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quicgw_fast.upstream.instance import Instance
    from quicgw_fast.upstream.seam import ChannelListener

_log = logging.getLogger("quicgw.upstream")

PROCESS_REQUEST = "/gatesvr.proto.UpstreamService/ProcessRequest"
PROBE = "/grpc.health.v1.Health/Check"
"""A call that is made to learn why there is no connection; it does not matter who can answer it."""

DIALLING: Sequence[tuple[str, int]] = (
    # What comes back is used within about 2 s: a new attempt at least every second, and an attempt that gets no
    # answer at all (a host that is down) is given up after one second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    # At most once: the gateway cannot know whether an action may be done twice, the client can. What gRPC calls
    # transparent retries is safe, and needed when a service renews its connections: the server said itself that it
    # never looked at the call. Without a retry policy, and none can come in over DNS, there are no other ones.
    ("grpc.enable_retries", 1),
    ("grpc.service_config_disable_resolution", 1),
    # A call that is larger than this buffer would be left out of that.
    ("grpc.per_rpc_retry_buffer_size", 2 << 20),
    # An address is dialled as configured, whatever http_proxy says, and its backoff is shared with nobody.
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)

CHANNEL_OPTIONS: Sequence[tuple[str, int]] = (
    *DIALLING,
    # A ping every 5 minutes is the most that default gRPC servers tolerate. With it comes TCP_USER_TIMEOUT,
    # which breaks a connection whose peer is gone without a word 10 s after the first unacknowledged byte.
    ("grpc.keepalive_time_ms", 310_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.client_idle_timeout_ms", 2**31 - 1),
    # A little over the frame limit: whether an answer of a size in between fits is the caller's to say.
    ("grpc.max_receive_message_length", (1 << 20) + (64 << 10)),
)

# Seconds to wait for gRPC to end what it usually ends at once.
_WAIT_FOR_GRPC = 0.5
# Seconds by which a deadline may seem to pass too early: gRPC counts in milliseconds on a clock of its own.
_CLOCKS_DIFFER = 0.01


class GrpcChannel:
    """The ``Channel`` to one address, which it keeps dialling. Make it inside the running loop."""

    def __init__(self, instance: Instance, listener: ChannelListener) -> None:
        self.instance = instance
        self._listener = listener
        self._channel = grpc.aio.insecure_channel(target_of(instance.address), CHANNEL_OPTIONS)
        # Answers are parsed here: gRPC's own deserializing logs an unreadable one and returns None for it.
        self._process = self._channel.unary_unary(PROCESS_REQUEST, UpstreamRequest.SerializeToString, _raw)
        self._probe: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(PROBE)
        self._leaving = False
        self._closed = False
        self._reached = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._watcher = asyncio.create_task(self._watch(), name=f"upstream-health-{instance.address}")

    async def call(self, request: UpstreamRequest, timeout: float) -> UpstreamResponse:
        """See ``Channel``."""
        instance = self.instance
        instance.in_flight += 1
        self._idle.clear()
        try:
            return await self._call(request, timeout)
        except UpstreamFailed as failure:
            if not instance.healthy:
                instance.reason = failure.cause
            raise
        finally:
            instance.in_flight -= 1
            if not instance.in_flight:
                self._idle.set()

    async def _call(self, request: UpstreamRequest, timeout: float) -> UpstreamResponse:
        # The failure is raised outside of the handlers: with a gRPC error as its context it would keep the
        # call alive, and a channel does not shut down before its last call is gone.
        failure: UpstreamTimeout | UpstreamFailed
        address = self.instance.address
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout
        try:
            answer = await self._process(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            failure = _translate(error, address, passed=clock() >= deadline - _CLOCKS_DIFFER)
        except grpc.aio.BaseError as error:
            failure = UpstreamFailed(f"{address}: {error}", "CANCELLED", "the gateway hung up")
        except asyncio.CancelledError:
            # Closing a channel cancels its calls, and gRPC reports that as if the waiting task was.
            if not self._closed or _task_is_cancelled():
                raise
            failure = UpstreamFailed(f"{address}: the gateway hung up", "CANCELLED", "the gateway hung up")
        else:
            return self._parsed(answer)
        raise failure

    def _parsed(self, answer: bytes) -> UpstreamResponse:
        try:
            return UpstreamResponse.FromString(answer)
        except DecodeError as error:
            what = "its answer is not an UpstreamResponse"
            raise UpstreamFailed(f"{self.instance.address}: {what}", "UNKNOWN", what) from error

    async def wait_reached(self, seconds: float) -> None:
        """See ``Channel``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._reached.wait()

    async def drain(self) -> None:
        """See ``Channel``."""
        self._leaving = True
        await self._idle.wait()
        await self.close()

    async def close(self) -> None:
        """See ``Channel``."""
        self._leaving = self._closed = True
        await self._channel.close()
        # That ends the watch too, unless somebody still holds one of the channel's calls.
        await asyncio.wait({self._watcher}, timeout=_WAIT_FOR_GRPC)
        self._watcher.cancel()

    async def _watch(self) -> None:
        """Follow the channel's state until it is closed, and dial again whenever the connection is gone."""
        try:
            while not self._leaving:
                state = self._channel.get_state(try_to_connect=True)
                if state is grpc.ChannelConnectivity.READY:
                    self._up()
                else:
                    self.instance.connected = False
                if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE and self._is_news():
                    await self._ask_why()
                await self._channel.wait_for_state_change(state)
        except (grpc.aio.BaseError, RuntimeError):
            # Closing the channel ends the wait like this. In any other case health is unknown from here on.
            if not self._closed:
                self.instance.healthy = self.instance.connected = self.instance.reached = True
                _log.exception("upstream not followed any more", extra={"address": self.instance.address})

    def _is_news(self) -> bool:
        return self.instance.healthy or not self.instance.tried

    def _up(self) -> None:
        instance = self.instance
        was_healthy = instance.healthy
        instance.connected = instance.healthy = instance.tried = instance.reached = True
        instance.reason = ""
        self._reached.set()
        if not was_healthy:
            self._listener.channel_up(instance)

    async def _ask_why(self) -> None:
        """Find out why there is no connection, which gRPC only tells a call that fails for it, and pass it on."""
        try:
            await self._probe(b"", timeout=_WAIT_FOR_GRPC)
        except grpc.aio.AioRpcError as error:
            status, details = error.code(), error.details()
        else:
            return  # there is a connection again
        if self._leaving or status is not grpc.StatusCode.UNAVAILABLE:
            return  # likewise: it has no health service, and need not
        self.instance.reason = cause_of(status, details)
        self.instance.healthy = False
        self.instance.tried = True
        self._listener.channel_down(self.instance)


def target_of(address: str) -> str:
    """Return the gRPC target of a ``host:port``, with its scheme, so that no host is taken for a scheme."""
    host = address.rpartition(":")[0]
    if host.startswith("["):
        return f"ipv6:{address}"
    return f"ipv4:{address}" if host.replace(".", "").isdigit() else f"dns:///{address}"


def _task_is_cancelled() -> bool:
    # Not in the caller's frame: a traceback that leads to its own task keeps the call alive until the garbage is
    # collected, and a channel does not shut down before its last call is gone.
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _raw(answer: bytes) -> bytes:
    return answer


def _translate(error: grpc.aio.AioRpcError, address: str, *, passed: bool) -> UpstreamTimeout | UpstreamFailed:
    """Say what became of a call; ``passed``: its deadline did, by our own clock."""
    status, details = error.code(), error.details()
    cause = cause_of(status, details)
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        if passed:
            return UpstreamTimeout(f"{address} did not answer in time")
        cause = f"it answered with {status.name} before the deadline"  # one of its own, of a database for example
    size = size_over_limit(status, details)
    if size is not None:
        return AnswerTooLarge(address, size)
    return UpstreamFailed(f"{address}: {status.name}: {details or 'no details'}", status.name, cause)
