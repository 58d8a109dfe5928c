"""What the log says of services; what may come often at once, then once a minute with how often it came."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from quicgw_fast.log_ids import request_ids
from quicgw_fast.observe.repeats import RepeatLog
from quicgw_fast.upstream.errors import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.clock import Clock
    from quicgw_fast.ports import Metadata, ServiceRequest
    from quicgw_fast.upstream.directory import Directory
    from quicgw_fast.upstream.errors import NoInstance, RegisterRefused, UpstreamFailed, UpstreamTimeout
    from quicgw_fast.upstream.instance import Instance

_log = logging.getLogger("quicgw.upstream")


class CallOfRequest(Protocol):
    """A call that came to nothing, and for which request it was made."""

    service: str
    request: ServiceRequest
    metadata: Metadata

    @property
    def address(self) -> str:
        """Of the instance."""


class UpstreamJournal:
    """Writes the events of instances, calls and registrations."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._repeats = RepeatLog(_log)

    def up(self, instance: Instance) -> None:
        """The instance is healthy, and was not before."""
        self._repeats.add(logging.INFO, "upstream up", instance.address, self._clock.now(), self._names(instance))

    def down(self, instance: Instance) -> None:
        """The instance is not healthy, for the reason that it has."""
        self._warn("upstream down", instance.address, {**self._names(instance), "reason": instance.reason})

    def not_resolved(self, name: str, reason: str, known: int) -> None:
        """A name could not be looked up; so many addresses of it are known and stay."""
        self._warn("upstream name not resolved", name, {"address": name, "reason": reason, "known": known})

    def ejected(self, instance: Instance, now: float) -> None:
        """The instance is out for a while; ``now`` in monotonic seconds."""
        if instance.ejection is not None:
            fields = {"reason": instance.ejection.reason, "seconds": round(instance.ejection.until - now, 1)}
            self._warn("upstream ejected", instance.address, {**self._names(instance), **fields})

    def fell_silent(self, instance: Instance, given_up: int) -> None:
        """The instance answers nothing any more, and so many calls were given up."""
        fields = {"reason": "it answers neither calls nor health checks", "given_up": given_up}
        self._warn("upstream silent", instance.address, {**self._names(instance), **fields})

    def returned(self, instance: Instance) -> None:
        """The instance, which was out or silent, gets calls again, one at a time at first."""
        self._repeats.add(logging.INFO, "upstream returned", instance.address, self._clock.now(), self._names(instance))

    def call_failed(self, call: CallOfRequest, error: UpstreamFailed | UpstreamTimeout) -> None:
        """A call came to nothing."""
        # A deadline that passed and one that the service speaks of have the same status, and are different stories.
        subject = f"{call.address} {error.cause if error.status == DEADLINE else error.status}"
        fields = {
            **request_ids(call.request, call.metadata),
            "address": call.address,
            "service": call.service,
            "status": error.status,
            "cause": error.cause,
            "detail": error.internal,
        }
        self._warn("upstream call failed", subject, fields)

    def no_instance(self, error: NoInstance, request: ServiceRequest, metadata: Metadata) -> None:
        """A call could not be made."""
        fields = {**request_ids(request, metadata), "service": error.service, "reason": error.internal}
        self._warn("no upstream in service", error.service, fields)

    def registration_refused(self, address: str, service: str, refused: RegisterRefused) -> None:
        """Somebody who may be anybody registered with an address that may be anything."""
        fields = {"address": address, "service": service, "code": refused.error_code, "reason": str(refused)}
        self._warn("upstream registration refused", f"{address[:128]} {refused.error_code}", fields)

    def registered(self, instance: Instance, service: str) -> None:
        """An instance registered that was not there before."""
        fields = {"address": instance.address, "service": service, "connected": instance.reached}
        _log.info("upstream registered", extra=fields)

    def deregistered(self, address: str, service: str) -> None:
        """An instance left by itself."""
        _log.info("upstream deregistered", extra={"address": address, "service": service})

    def lease_expired(self, address: str, service: str) -> None:
        """A registration was not renewed in time."""
        why = "it did not register again within its lease"
        _log.warning("upstream lease expired", extra={"address": address, "service": service, "reason": why})

    def not_allowed_any_more(self, address: str, service: str) -> None:
        """An instance was taken out for another ``upstream.allow``."""
        why = "upstream.allow does not have it any more"
        _log.warning("upstream taken out", extra={"address": address, "service": service, "reason": why})

    def forgotten(self, instance: Instance, after: float) -> None:
        """An instance was taken out as it stayed down for ``after`` seconds."""
        why = f"{instance.reason or 'not connected'}, for {after:g} s; it may register again"
        _log.warning("upstream forgotten", extra={"address": instance.address, "reason": why})

    def drained(self, instance: Instance) -> None:
        """An operator took an instance out, or put it back."""
        _log.info("upstream drained" if instance.drained else "upstream put back", extra=self._names(instance))

    def flush(self, now: float) -> None:
        """Write what was not said yet and is due; ``now`` in monotonic seconds."""
        self._repeats.flush(now)

    def _warn(self, event: str, subject: str, fields: Mapping[str, object]) -> None:
        self._repeats.add(logging.WARNING, event, subject, self._clock.now(), fields)

    def _names(self, instance: Instance) -> dict[str, object]:
        return {"address": instance.address, "services": ",".join(self._directory.services_of(instance))}
