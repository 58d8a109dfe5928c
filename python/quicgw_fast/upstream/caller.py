"""Calls to upstream services: which service, whose turn it is there, and what becomes of the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.backend import FrameTooLarge, encode_body
from quicgw_fast.codes import PushType
from quicgw_fast.ports import CallFacts
from quicgw_fast.upstream.errors import (
    AnswerTooLarge,
    NoInstance,
    UpstreamBusy,
    UpstreamCallError,
    UpstreamFailed,
    UpstreamTimeout,
)
from quicgw_fast.upstream.timeouts import sendable

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.observe import Counter, Metrics
    from quicgw_fast.ports import CallGate
    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
    from quicgw_fast.upstream.channels import Channels
    from quicgw_fast.upstream.directory import Directory
    from quicgw_fast.upstream.instance import Instance
    from quicgw_fast.upstream.journal import UpstreamJournal
    from quicgw_fast.upstream.routing import RoutingMode

SURELY_FITS: Final = 1 << 19
"""Bytes of an answer up to which a frame takes it: it needs a few more, and some for each header without a value."""


class BalancingCaller:
    """Routes each request to a service, and there to the instance whose turn it is, if ``gate`` lets it."""

    def __init__(
        self,
        mode: RoutingMode,
        directory: Directory,
        channels: Channels,
        journal: UpstreamJournal,
        clock: Clock,
        metrics: Metrics,
        gate: CallGate,
    ) -> None:
        self._mode = mode
        self._directory = directory
        self._channels = channels
        self._journal = journal
        self._now = clock.now
        self._counts = _register(metrics)
        self._gate = gate
        self._took = metrics.durations("upstream_call", "Calls, however they ended", "service", mode.services)
        self._under_way = dict.fromkeys(mode.services, 0)
        metrics.gauges("upstream_under_way", "Calls under way", "service", mode.services, lambda: self._under_way)

    async def call(self, request: UpstreamRequest, timeout: float) -> UpstreamResponse:
        """Call the request's service once; ``timeout`` in seconds.

        Raises NoInstance, UpstreamBusy, UpstreamTimeout or UpstreamFailed, each of which is counted.
        Cancelling the task cancels the call.
        """
        service = self._mode.service_for(request.action, request.openid)
        try:
            timeout = sendable(timeout)
            if timeout <= 0:
                raise UpstreamTimeout("no time was left for the call")
            return await self._call(service, self._pick(service), request, timeout)
        except UpstreamCallError as error:
            self._counts[error.counter].value += 1
            raise

    def _pick(self, service: str) -> Instance:
        """Choose the instance, if the service may be called at all."""
        if self._channels.closed:
            raise UpstreamFailed("the gateway is stopping", "CANCELLED")
        if self._gate.asks:
            refusal = self._gate.judge(CallFacts(service, self._under_way[service]))
            if refusal is not None:
                raise UpstreamBusy(refusal.error())
        try:
            return self._directory.pick(service)
        except NoInstance as error:
            self._journal.no_instance(error)
            raise

    async def _call(
        self, service: str, instance: Instance, request: UpstreamRequest, timeout: float
    ) -> UpstreamResponse:
        began = self._now()
        self._under_way[service] += 1
        instance.calls += 1
        try:
            response = await self._channels.to(instance).call(request, timeout)
            if response.ByteSize() > SURELY_FITS:
                _check_fits(response, instance.address)
            return response
        except UpstreamTimeout as error:
            instance.timeouts += 1
            self._journal.call_failed(instance, service, error)
            raise
        except UpstreamFailed as error:
            instance.failures += 1
            instance.statuses[error.status] = instance.statuses.get(error.status, 0) + 1
            self._journal.call_failed(instance, service, error)
            raise
        finally:
            self._under_way[service] -= 1
            self._took[service].observe(self._now() - began)


def _check_fits(response: UpstreamResponse, address: str) -> None:
    """Raise AnswerTooLarge for an answer of the service at ``address`` that no frame could carry (protocol §3)."""
    try:
        encode_body(PushType.BUSINESS_DATA, response.code, response.message, response.data, response.headers)
    except FrameTooLarge as error:
        raise AnswerTooLarge(address, error.length) from error


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
