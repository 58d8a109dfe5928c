"""The channel to one upstream address: the calls over it, and what is known of its connection."""

from __future__ import annotations

import asyncio
import logging
from operator import methodcaller
from typing import TYPE_CHECKING, cast

import grpc

from quicgw_fast.ports import NO_METADATA
from quicgw_fast.upstream.causes import BROKE_OFF, DO_NOT_LAST, HUNG_UP
from quicgw_fast.upstream.errors import AnswerTooLarge, UpstreamFailed, UpstreamTimeout
from quicgw_fast.upstream.grpcio.causes import cause_of, never_sent, size_over_limit
from quicgw_fast.upstream.health import CallsUnderWay, ChannelHealth
from quicgw_fast.upstream.method import HEALTH_CHECK, LARGEST_ANSWER, PROCESS_REQUEST, parse_answer
from quicgw_fast.upstream.renewals import Renewals
from quicgw_fast.upstream.tls import authority_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.ports import Metadata, ServiceRequest
    from quicgw_fast.proto.service_pb2 import UpstreamResponse
    from quicgw_fast.upstream.instance import Instance
    from quicgw_fast.upstream.seam import ChannelListener
    from quicgw_fast.upstream.tls import UpstreamTls

_log = logging.getLogger("quicgw.upstream")

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
    ("grpc.max_receive_message_length", LARGEST_ANSWER),
)

# Statuses of a health check that nobody answered.
_NO_ANSWERS = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
# Seconds to wait for gRPC to end what it usually ends at once.
_WAIT_FOR_GRPC = 0.5
# Seconds by which a deadline may seem to pass too early: gRPC counts in milliseconds on a clock of its own.
_CLOCKS_DIFFER = 0.01


class _Line:
    """One of gRPC's channels, and the calls under way over it."""

    def __init__(self, instance: Instance, tls: UpstreamTls | None) -> None:
        target = target_of(instance.address)
        # By that name a certificate is checked as well.
        options = (*CHANNEL_OPTIONS, ("grpc.default_authority", authority_of(instance, tls)))
        if tls is None:
            self.channel = grpc.aio.insecure_channel(target, options)
        else:
            credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.cert)
            self.channel = grpc.aio.secure_channel(target, credentials, options)
        # Answers are parsed here: gRPC's own deserializing logs an unreadable one and returns None for it.
        self.process = self.channel.unary_unary(PROCESS_REQUEST, methodcaller("SerializeToString"), _raw)
        self.probe: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(HEALTH_CHECK)
        self.tls = tls is not None
        self.calls: set[grpc.aio.UnaryUnaryCall[ServiceRequest, bytes]] = set()


class GrpcChannel:
    """The ``Channel`` to one address, which it keeps dialling. Make it inside the running loop."""

    def __init__(self, instance: Instance, listener: ChannelListener, tls: UpstreamTls | None) -> None:
        self.instance = instance
        self._health = ChannelHealth(instance, listener)
        self._calls = CallsUnderWay(instance)
        self._line = _Line(instance, tls)
        self._left: dict[_Line, asyncio.Task[None] | None] = {}
        """Lines that take no more calls, and what closes each, once the last of those under way has ended."""
        self._resting = False
        """Nobody connects for a moment, as connections do not last."""
        self._leaving = False
        self._closed = False
        self._watcher = self._watching()

    def begin(
        self,
        request: ServiceRequest,
        timeout: float,
        done: Done[UpstreamResponse],
        metadata: Metadata = NO_METADATA,
    ) -> Cancellable:
        """See ``Channel``."""
        return _GrpcCall(self._calls, self._call(request, timeout, metadata), done)

    async def _call(self, request: ServiceRequest, timeout: float, metadata: Metadata) -> UpstreamResponse:
        # The failure is raised outside of the handlers: with a gRPC error as its context it would keep the
        # call alive, and a channel does not shut down before its last call is gone.
        failure: UpstreamTimeout | UpstreamFailed
        address = self.instance.address
        if self._resting:
            raise UpstreamFailed(f"{address}: {DO_NOT_LAST}", "UNAVAILABLE", BROKE_OFF, never_sent=True)
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout
        line = self._line
        call = line.process(request, timeout=timeout, metadata=metadata)
        line.calls.add(call)
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            failure = _translate(error, address, passed=clock() >= deadline - _CLOCKS_DIFFER, tls=line.tls)
        except grpc.aio.BaseError as error:
            failure = UpstreamFailed(f"{address}: {error}", "CANCELLED", HUNG_UP)
        except asyncio.CancelledError:
            # Closing a channel cancels its calls, and gRPC reports that as if the waiting task was.
            if not (self._closed or self._resting) or _task_is_cancelled():
                raise
            if self._closed:
                failure = UpstreamFailed(f"{address}: {HUNG_UP}", "CANCELLED", HUNG_UP)
            else:
                failure = UpstreamFailed(f"{address}: {DO_NOT_LAST}", "UNAVAILABLE", BROKE_OFF)
        else:
            return parse_answer(address, answer)
        finally:
            line.calls.discard(call)
            del call  # which an error's traceback would keep alive
            if line in self._left:
                self._close_if_idle(line)
            del line  # likewise
        raise failure

    async def wait_reached(self, seconds: float) -> None:
        """See ``Channel``."""
        await self._health.wait_reached(seconds)

    async def lives(self, seconds: float) -> bool:
        """See ``Channel``."""
        if self._resting:
            return False
        try:
            await self._line.probe(b"", timeout=seconds)
        except grpc.aio.AioRpcError as error:
            return error.code() not in _NO_ANSWERS
        except grpc.aio.BaseError:  # the channel was closed
            return False
        return True

    def renew(self, tls: UpstreamTls | None) -> None:
        """See ``Channel``."""
        line, self._line = self._line, _Line(self.instance, tls)
        self._watcher.cancel()
        self._health.disconnected()
        self._resting = False
        self._watcher = self._watching()
        self._left[line] = None
        self._close_if_idle(line)

    def _close_if_idle(self, line: _Line) -> None:
        if not line.calls and self._left[line] is None:
            self._left[line] = task = asyncio.create_task(line.channel.close(), name="upstream-close")
            task.add_done_callback(lambda _: self._left.pop(line, None))

    async def drain(self) -> None:
        """See ``Channel``."""
        self._leaving = True
        await self._calls.ended()
        await self.close()

    async def close(self) -> None:
        """See ``Channel``."""
        self._leaving = self._closed = True
        lines = self._line, *self._left
        self._left.clear()
        await asyncio.gather(*(line.channel.close() for line in lines))
        # That ends the watch too, unless somebody still holds one of the channel's calls.
        await asyncio.wait({self._watcher}, timeout=_WAIT_FOR_GRPC)
        self._watcher.cancel()

    def _watching(self) -> asyncio.Task[None]:
        return asyncio.create_task(self._watch(self._line.channel), name=f"upstream-health-{self.instance.address}")

    async def _watch(self, channel: grpc.aio.Channel) -> None:
        """Follow the channel's state until it is closed, and dial again whenever the connection is gone."""
        clock, renewals = asyncio.get_running_loop().time, Renewals()
        try:
            while not self._leaving:
                state = channel.get_state(try_to_connect=True)
                if state is grpc.ChannelConnectivity.READY:
                    self._health.up()
                else:
                    self._health.disconnected()
                if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                    renewals.failed()
                    if self._health.would_be_news:
                        await self._ask_why()
                began = clock()
                await channel.wait_for_state_change(state)
                if state is grpc.ChannelConnectivity.READY:
                    pause = renewals.over(clock() - began)
                    if renewals.too_often(pause) and not self._leaving:
                        await self._rest(pause)
        except (grpc.aio.BaseError, RuntimeError):
            # Closing the channel ends the wait like this. In any other case health is unknown from here on.
            if not self._closed:
                self.instance.healthy = self.instance.connected = self.instance.reached = True
                _log.exception("upstream not followed any more", extra={"address": self.instance.address})

    async def _rest(self, seconds: float) -> None:
        """Have no connection made for a while.

        Calls under way end: for each, gRPC would connect again and again until its deadline, in threads of its own,
        and take memory for each attempt.
        """
        self._resting = True
        self._health.disconnected()
        if self._health.would_be_news:
            self._health.down(BROKE_OFF)
        for call in tuple(self._line.calls):
            call.cancel()
        await asyncio.sleep(seconds)
        self._resting = False

    async def _ask_why(self) -> None:
        """Find out why there is no connection, which gRPC only tells a call that fails for it, and pass it on."""
        try:
            await self._line.probe(b"", timeout=_WAIT_FOR_GRPC)
        except grpc.aio.AioRpcError as error:
            status, details = error.code(), error.details()
        else:
            return  # there is a connection again
        if self._leaving or status is not grpc.StatusCode.UNAVAILABLE:
            return  # likewise: it has no health service, and need not
        self._health.down(cause_of(status, details, tls=self._line.tls))


class _GrpcCall:
    """One call: gRPC's are coroutines, and this tells of the end of its task."""

    __slots__ = ("_calls", "_done", "_task")

    def __init__(
        self, calls: CallsUnderWay, call: Coroutine[None, None, UpstreamResponse], done: Done[UpstreamResponse]
    ) -> None:
        self._calls = calls
        self._done: Done[UpstreamResponse] | None = done
        self._task = asyncio.create_task(call, name="upstream-call")
        self._task.add_done_callback(self._ended)
        calls.begin()

    def cancel(self) -> None:
        self._done = None
        self._task.cancel()

    def _ended(self, task: asyncio.Task[UpstreamResponse]) -> None:
        if task.cancelled():
            self._calls.end()
            return
        error = task.exception()
        outcome = task.result() if error is None else error
        self._calls.end(outcome)
        # Who is told has us as the way to cancel it: a circle, which would keep the answer.
        done, self._done = self._done, None
        if done is not None:
            done(cast("UpstreamResponse | Exception", outcome))


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


def _translate(
    error: grpc.aio.AioRpcError, address: str, *, passed: bool, tls: bool
) -> UpstreamTimeout | UpstreamFailed:
    """Say what became of a call, over ``tls`` or not; ``passed``: its deadline did, by our own clock."""
    status, details = error.code(), error.details()
    cause = cause_of(status, details, tls=tls)
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        if passed:
            return UpstreamTimeout(f"{address} did not answer in time")
        cause = f"it answered with {status.name} before the deadline"  # one of its own, of a database for example
    size = size_over_limit(status, details)
    if size is not None:
        return AnswerTooLarge(address, size)
    internal = f"{address}: {status.name}: {details or 'no details'}"
    return UpstreamFailed(internal, status.name, cause, never_sent=never_sent(status, details, address))
