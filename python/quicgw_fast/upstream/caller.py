"""Calls to upstream services: which service, whose turn it is there, and what becomes of the call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast import completions
from quicgw_fast.ports import NO_METADATA, CallFacts
from quicgw_fast.upstream.errors import (
    NoInstance,
    StoppedAnswering,
    UpstreamBusy,
    UpstreamCallError,
    UpstreamFailed,
    UpstreamTimeout,
)
from quicgw_fast.upstream.timeouts import sendable

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.observe import Counter, Metrics
    from quicgw_fast.ports import CallGate, Metadata, ServiceRequest
    from quicgw_fast.proto.service_pb2 import UpstreamResponse
    from quicgw_fast.upstream.channels import Channels
    from quicgw_fast.upstream.choice import Choice
    from quicgw_fast.upstream.instance import Instance
    from quicgw_fast.upstream.journal import UpstreamJournal
    from quicgw_fast.upstream.routing import RoutingMode


class BalancingCaller:
    """Routes each request to a service, and there to the instance whose turn it is, if ``gate`` lets it."""

    def __init__(
        self,
        mode: RoutingMode,
        choice: Choice,
        channels: Channels,
        journal: UpstreamJournal,
        clock: Clock,
        metrics: Metrics,
        gate: CallGate,
        judge: Callable[[Instance], None],
    ) -> None:
        """``judge`` is told of each instance that has just failed a call."""
        self._mode = mode
        self._choice = choice
        self._channels = channels
        self._journal = journal
        self._now = clock.now
        self._counts = _register(metrics)
        self._gate = gate
        self._judge = judge
        self._took = metrics.durations("upstream_call", "Calls, however they ended", "service", mode.services)
        self._under_way = dict.fromkeys(mode.services, 0)
        self._calls: set[_BalancedCall] = set()
        """Under way."""
        self._count_elsewhere = metrics.counter(
            "upstream_elsewhere", "Calls that were not sent, as there was no connection, and went to another instance"
        )
        metrics.gauges("upstream_under_way", "Calls under way", "service", mode.services, lambda: self._under_way)

    async def call(self, request: ServiceRequest, timeout: float, metadata: Metadata = NO_METADATA) -> UpstreamResponse:
        """Call as ``begin`` does, and wait for the answer. Cancelling the task cancels the call."""
        return await completions.result(partial(self.begin, request, timeout, metadata=metadata))

    def begin(
        self,
        request: ServiceRequest,
        timeout: float,
        done: Done[UpstreamResponse],
        metadata: Metadata = NO_METADATA,
    ) -> Cancellable:
        """Begin to call the request's service once; ``timeout`` in seconds.

        Raises NoInstance, UpstreamBusy, UpstreamTimeout or UpstreamFailed, or ``done`` is told one of them later; each
        is counted.
        """
        service = self._mode.service_for(request.action, request.openid)
        try:
            timeout = sendable(timeout)
            if timeout <= 0:
                raise UpstreamTimeout("no time was left for the call")
            instance = self._pick(service, request, metadata)
        except UpstreamCallError as error:
            self._counts[error.counter].value += 1
            raise
        now = self._now()
        call = _BalancedCall(self, request, metadata, service, now + timeout, done)
        self._send(call, instance, now)
        return call

    def _send(self, call: _BalancedCall, instance: Instance, now: float) -> None:
        """Have an instance called; ``now`` in monotonic seconds."""
        self._under_way[call.service] += 1
        self._calls.add(call)
        instance.calls += 1
        call.instance, call.began = instance, now
        call.under_way = self._channels.to(instance).begin(call.request, call.deadline - now, call.ended, call.metadata)

    def elsewhere(self, call: _BalancedCall) -> bool:
        """Send a call that was never sent to another instance, if there is one and time is left."""
        now = self._now()
        if call.tried or call.deadline <= now or self._channels.closed:
            return False
        try:
            instance = self._choice.pick(call.service, besides=call.instance)
        except UpstreamCallError:
            return False
        call.tried = True
        self._count_elsewhere.value += 1
        self._send(call, instance, now)
        return True

    def give_up(self, instance: Instance) -> int:
        """Have the calls under way at an instance fail, as it answers no more; return how many there were."""
        calls = [call for call in self._calls if call.instance is instance]
        for call in calls:
            call.give_up()
        return len(calls)

    def _pick(self, service: str, request: ServiceRequest, metadata: Metadata) -> Instance:
        """Choose the instance, if the service may be called at all."""
        if self._channels.closed:
            raise UpstreamFailed("the gateway is stopping", "CANCELLED")
        if self._gate.asks:
            refusal = self._gate.judge(CallFacts(service, self._under_way[service], len(self._calls)))
            if refusal is not None:
                raise UpstreamBusy(refusal.error())
        try:
            return self._choice.pick(service)
        except NoInstance as error:
            self._journal.no_instance(error, request, metadata)
            raise

    def is_under_way(self, call: _BalancedCall) -> bool:
        """Whether a call has not ended."""
        return call in self._calls

    def ended(self, call: _BalancedCall) -> float:
        """Take note that a call is not under way any more, however it ended; return the seconds that it took."""
        self._calls.remove(call)
        self._under_way[call.service] -= 1
        took = self._now() - call.began
        self._took[call.service].observe(took)
        return took

    def failed(self, call: _BalancedCall, error: UpstreamCallError, took: float) -> None:
        """Take note of why a call failed after so many seconds."""
        instance = call.instance
        if isinstance(error, UpstreamTimeout):
            instance.timeouts += 1
            instance.score.late(took)
            self._journal.call_failed(call, error)
        elif isinstance(error, UpstreamFailed):
            instance.failures += 1
            instance.score.failure(error.status)
            instance.statuses[error.status] = instance.statuses.get(error.status, 0) + 1
            self._journal.call_failed(call, error)
        self._judge(instance)

    def count(self, error: UpstreamCallError) -> None:
        """Count an error that is told to who asked for the call."""
        self._counts[error.counter].value += 1


class _BalancedCall:
    """One call under way, and who is told of its end."""

    __slots__ = (
        *("_caller", "_done", "began", "deadline", "instance", "metadata", "request", "service", "tried"),
        "under_way",
    )

    def __init__(
        self,
        caller: BalancingCaller,
        request: ServiceRequest,
        metadata: Metadata,
        service: str,
        deadline: float,
        done: Done[UpstreamResponse],
    ) -> None:
        """``deadline`` in monotonic seconds; the caller sends it."""
        self._caller = caller
        self._done = done
        self.request = request
        self.metadata = metadata
        self.service = service
        self.deadline = deadline
        self.instance: Instance
        self.began: float
        self.under_way: Cancellable
        self.tried = False
        """Whether another instance could not be reached before."""

    @property
    def address(self) -> str:
        """Of the instance that is called."""
        return self.instance.address

    def ended(self, outcome: UpstreamResponse | Exception) -> None:
        took = self._caller.ended(self)
        if isinstance(outcome, Exception):
            self._failed(outcome, took)
        else:
            score, under_way = self.instance.score, self.instance.in_flight + 1
            score.answered += 1
            score.signs += 1
            score.in_a_row = 0
            score.took.append(took)
            if under_way > score.peak:
                score.peak = under_way
            self._done(outcome)

    def _failed(self, error: Exception, took: float) -> None:
        if isinstance(error, UpstreamCallError):
            self._caller.failed(self, error, took)
            if isinstance(error, UpstreamFailed) and error.never_sent and self._caller.elsewhere(self):
                return
            self._caller.count(error)
        self._done(error)

    def give_up(self) -> None:
        self.under_way.cancel()
        self.ended(StoppedAnswering(self.instance.address))

    def cancel(self) -> None:
        # Who waits may be cancelled in the turn in which the call ended.
        if self._caller.is_under_way(self):
            self._caller.ended(self)
            self.under_way.cancel()


def _register(metrics: Metrics) -> dict[str, Counter]:
    """The counters of calls that failed; each kind of error names its own."""
    return {
        "upstream_failures": metrics.counter("upstream_failures", "Calls of services that failed"),
        "upstream_timeouts": metrics.counter("upstream_timeouts", "Calls of services that were not answered in time"),
        "upstream_busy": metrics.counter(
            "upstream_busy",
            "Calls that a rule did not let be made, or for which no instance had room, also when a login asks again",
        ),
        "upstream_unavailable": metrics.counter("upstream_unavailable", "Calls for which no service was there"),
    }
