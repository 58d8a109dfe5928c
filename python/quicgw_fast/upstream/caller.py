"""Calls to upstream services: which service, whose turn it is there, and what becomes of the call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast import completions
from quicgw_fast.ports import CallFacts
from quicgw_fast.upstream.errors import (
    NoInstance,
    UpstreamBusy,
    UpstreamCallError,
    UpstreamFailed,
    UpstreamTimeout,
)
from quicgw_fast.upstream.timeouts import sendable

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.observe import Counter, Metrics
    from quicgw_fast.ports import CallGate, ServiceRequest
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
    ) -> None:
        self._mode = mode
        self._choice = choice
        self._channels = channels
        self._journal = journal
        self._now = clock.now
        self._counts = _register(metrics)
        self._gate = gate
        self._took = metrics.durations("upstream_call", "Calls, however they ended", "service", mode.services)
        self._under_way = dict.fromkeys(mode.services, 0)
        metrics.gauges("upstream_under_way", "Calls under way", "service", mode.services, lambda: self._under_way)

    async def call(self, request: ServiceRequest, timeout: float) -> UpstreamResponse:
        """Call as ``begin`` does, and wait for the answer. Cancelling the task cancels the call."""
        return await completions.result(partial(self.begin, request, timeout))

    def begin(self, request: ServiceRequest, timeout: float, done: Done[UpstreamResponse]) -> Cancellable:
        """Begin to call the request's service once; ``timeout`` in seconds.

        Raises NoInstance, UpstreamBusy, UpstreamTimeout or UpstreamFailed, or ``done`` is told one of them later; each
        is counted.
        """
        service = self._mode.service_for(request.action, request.openid)
        try:
            timeout = sendable(timeout)
            if timeout <= 0:
                raise UpstreamTimeout("no time was left for the call")
            instance = self._pick(service)
        except UpstreamCallError as error:
            self._counts[error.counter].value += 1
            raise
        call = _BalancedCall(self, service, instance, self._now(), done)
        self._under_way[service] += 1
        instance.calls += 1
        call.under_way = self._channels.to(instance).begin(request, timeout, call.ended)
        return call

    def _pick(self, service: str) -> Instance:
        """Choose the instance, if the service may be called at all."""
        if self._channels.closed:
            raise UpstreamFailed("the gateway is stopping", "CANCELLED")
        if self._gate.asks:
            refusal = self._gate.judge(CallFacts(service, self._under_way[service]))
            if refusal is not None:
                raise UpstreamBusy(refusal.error())
        try:
            return self._choice.pick(service)
        except NoInstance as error:
            self._journal.no_instance(error)
            raise

    def ended(self, call: _BalancedCall) -> None:
        """Take note that a call is not under way any more, however it ended."""
        self._under_way[call.service] -= 1
        self._took[call.service].observe(self._now() - call.began)

    def failed(self, call: _BalancedCall, error: UpstreamCallError) -> None:
        """Take note of why a call failed."""
        instance = call.instance
        if isinstance(error, UpstreamTimeout):
            instance.timeouts += 1
            self._journal.call_failed(instance, call.service, error)
        elif isinstance(error, UpstreamFailed):
            instance.failures += 1
            instance.statuses[error.status] = instance.statuses.get(error.status, 0) + 1
            self._journal.call_failed(instance, call.service, error)
        self._counts[error.counter].value += 1


class _BalancedCall:
    """One call under way, and who is told of its end."""

    __slots__ = ("_caller", "_done", "began", "instance", "service", "under_way")

    def __init__(
        self, caller: BalancingCaller, service: str, instance: Instance, began: float, done: Done[UpstreamResponse]
    ) -> None:
        self._caller = caller
        self._done = done
        self.service = service
        self.instance = instance
        self.began = began
        self.under_way: Cancellable

    def ended(self, outcome: UpstreamResponse | Exception) -> None:
        self._caller.ended(self)
        if isinstance(outcome, UpstreamCallError):
            self._caller.failed(self, outcome)
        self._done(outcome)

    def cancel(self) -> None:
        self._caller.ended(self)
        self.under_way.cancel()


def _register(metrics: Metrics) -> dict[str, Counter]:
    """The counters of calls that failed; each kind of error names its own."""
    return {
        "upstream_failures": metrics.counter("upstream_failures", "Calls of services that failed"),
        "upstream_timeouts": metrics.counter("upstream_timeouts", "Calls of services that were not answered in time"),
        "upstream_busy": metrics.counter(
            "upstream_busy",
            "Calls that a rule did not let be made, also when a login asks again; refused has them by rule",
        ),
        "upstream_unavailable": metrics.counter("upstream_unavailable", "Calls for which no service was there"),
    }
