"""RegisterUpstream: services that offer themselves, and leave again (protocol §1)."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from quicgw_fast.codes import RegisterCode
from quicgw_fast.proto.service_pb2 import UpstreamRegisterRequest, UpstreamRegisterResponse
from quicgw_fast.upstream.address import usable
from quicgw_fast.upstream.allow import dialled
from quicgw_fast.upstream.errors import RegisterRefused
from quicgw_fast.upstream.leases import Leases, RegistrationKey
from quicgw_fast.upstream.lookup import lookup

if TYPE_CHECKING:
    from collections.abc import Collection

    from quicgw_fast.clock import Clock
    from quicgw_fast.observe import Metrics
    from quicgw_fast.upstream.allow import AllowList
    from quicgw_fast.upstream.channels import Channels
    from quicgw_fast.upstream.directory import Directory
    from quicgw_fast.upstream.instance import Instance
    from quicgw_fast.upstream.journal import UpstreamJournal
    from quicgw_fast.upstream.lookup import Resolve
    from quicgw_fast.upstream.own import OwnAddresses
    from quicgw_fast.upstream.routing import RoutingMode

WAIT = 1.0
"""Seconds for the connection: who registers and listens is in service with the answer."""


class Registration:
    """Answers RegisterUpstream for addresses that ``allow`` has; ``own`` are those that nobody may register."""

    def __init__(
        self,
        mode: RoutingMode,
        directory: Directory,
        channels: Channels,
        journal: UpstreamJournal,
        own: OwnAddresses,
        allow: AllowList,
        clock: Clock,
        metrics: Metrics,
        resolve: Resolve = lookup,
    ) -> None:
        self._mode = mode
        self._directory = directory
        self._channels = channels
        self._journal = journal
        self._own = own
        self._allow = allow
        self._now = clock.now
        self._resolve = resolve
        self._leases = Leases()
        self._expired = metrics.counter("upstream_leases_expired", "Registrations whose lease was not renewed in time")

    async def register(self, request: UpstreamRegisterRequest) -> UpstreamRegisterResponse:
        """Take the instance in or out, and say what that came to."""
        try:
            message = self._leave(request) if request.deregister else await self._join(request)
        except RegisterRefused as refused:
            self._journal.registration_refused(request.address, request.service_name or request.zone_id, refused)
            return UpstreamRegisterResponse(success=False, message=str(refused), error_code=refused.error_code)
        return UpstreamRegisterResponse(success=True, message=message)

    def holds(self, service: str, address: str) -> bool:
        """Whether a registration holds an address of a service, which may be configured as well."""
        return address in self._leases.held(service)

    def lease_left(self, address: str) -> float | None:
        """Seconds after which an instance leaves unless its registration is renewed; None when it does not."""
        return self._leases.left(address, self._now())

    def tend(self, now: float) -> None:
        """Take out those whose lease has passed at ``now``, in monotonic seconds."""
        for key in self._leases.expired(now):
            if self._take_out(key.service, self._leases.end(key)):
                self._expired.value += 1
                self._journal.lease_expired(key.written, key.service)
        self._leases.keep(self._directory.has)

    def reconfigure(self, allow: AllowList) -> None:
        """Go by another list from now on: who is registered and not on it leaves, and what is under way is answered."""
        self._allow = allow
        for key in self._leases.keys():  # noqa: SIM118 - a list, as they change meanwhile
            held = self._leases.addresses(key)
            if any(allow.refusal(key.written, address) is not None for address in held):
                self._take_out(key.service, self._leases.end(key))
                self._journal.not_allowed_any_more(key.written, key.service)

    async def _join(self, request: UpstreamRegisterRequest) -> str:
        written = usable(request.address)
        service = self._mode.registered_service(request)
        addresses = await dialled(written, self._allow, self._resolve)
        for address in addresses:
            if await self._own.include(address):
                told = f"{request.address} is the gateway itself; register where the service listens"
                raise RegisterRefused(RegisterCode.OWN_ADDRESS, told)
        instances, new = self._take_in(service, addresses)
        until = self._now() + request.lease if request.lease else math.inf
        self._take_out(service, self._leases.renew(RegistrationKey(service, written), addresses, until))
        reached = await self._reached(instances)
        for instance in new:
            self._journal.registered(instance, service)
        if reached:
            return f"registered for {service}"
        why = instances[0].reason or "no answer yet"
        return f"registered for {service}; no calls before the gateway can connect to it ({why})"

    def _take_in(self, service: str, addresses: Collection[str]) -> tuple[list[Instance], list[Instance]]:
        """Return all instances, and those that are new; raises RegisterRefused, and then there are no new ones."""
        instances, new = [], []
        try:
            for address in addresses:
                instance, is_new = self._directory.register(address, service)
                instances.append(instance)
                if is_new:
                    new.append(instance)
        except RegisterRefused:
            self._take_out(service, [instance.address for instance in new])
            raise
        return instances, new

    async def _reached(self, instances: list[Instance]) -> bool:
        """Wait until one of them is connected, at most ``WAIT`` seconds."""
        if len(instances) == 1:
            return await self._channels.wait_reached(instances[0], WAIT)
        waits = {asyncio.ensure_future(self._channels.wait_reached(instance, WAIT)) for instance in instances}
        try:
            while waits:
                done, waits = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                if any(wait.result() for wait in done):
                    return True
            return False
        finally:
            for each in waits:
                each.cancel()

    def _leave(self, request: UpstreamRegisterRequest) -> str:
        service, written = self._mode.registered_service(request), usable(request.address)
        key = RegistrationKey(service, written)
        held = self._leases.addresses(key) or frozenset((written,))
        if not any(self._directory.has_registered(service, address) for address in held):
            self._directory.deregister(next(iter(held)), service)  # which says why it cannot
        self._leases.end(key)
        self._take_out(service, held - self._leases.held(service))
        self._journal.deregistered(request.address, service)
        return f"deregistered from {service}"

    def _take_out(self, service: str, addresses: Collection[str]) -> bool:
        """Take out those that registration brought, and return whether there was one."""
        there = [address for address in addresses if self._directory.has_registered(service, address)]
        for address in there:
            self._directory.deregister(address, service)
        return bool(there)
