"""RegisterUpstream: services that offer themselves, and leave again (protocol §1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import RegisterCode
from quicgw_fast.proto.service_pb2 import UpstreamRegisterRequest, UpstreamRegisterResponse
from quicgw_fast.upstream.address import usable
from quicgw_fast.upstream.errors import RegisterRefused

if TYPE_CHECKING:
    from quicgw_fast.upstream.channels import Channels
    from quicgw_fast.upstream.directory import Directory
    from quicgw_fast.upstream.journal import UpstreamJournal
    from quicgw_fast.upstream.own import OwnAddresses
    from quicgw_fast.upstream.routing import RoutingMode

WAIT = 1.0
"""Seconds for the first connection: who registers and listens is in service with the answer."""


class Registration:
    """Answers RegisterUpstream; ``own`` are the addresses that nobody may register."""

    def __init__(
        self, mode: RoutingMode, directory: Directory, channels: Channels, journal: UpstreamJournal, own: OwnAddresses
    ) -> None:
        self._mode = mode
        self._directory = directory
        self._channels = channels
        self._journal = journal
        self._own = own

    async def register(self, request: UpstreamRegisterRequest) -> UpstreamRegisterResponse:
        """Take the instance in or out, and say what that came to."""
        try:
            message = self._leave(request) if request.deregister else await self._join(request)
        except RegisterRefused as refused:
            self._journal.registration_refused(request.address, request.service_name or request.zone_id, refused)
            return UpstreamRegisterResponse(success=False, message=str(refused), error_code=refused.error_code)
        return UpstreamRegisterResponse(success=True, message=message)

    async def _join(self, request: UpstreamRegisterRequest) -> str:
        if await self._own.include(usable(request.address)):
            raise RegisterRefused(
                RegisterCode.OWN_ADDRESS, f"{request.address} is the gateway itself; register where the service listens"
            )
        service = self._mode.registered_service(request)
        instance, is_new = self._directory.register(request.address, service)
        reached = await self._channels.wait_reached(instance, WAIT)
        if is_new:
            self._journal.registered(instance, service)
        if reached:
            return f"registered for {service}"
        why = instance.reason or "no answer yet"
        return f"registered for {service}; no calls before the gateway can connect to it ({why})"

    def _leave(self, request: UpstreamRegisterRequest) -> str:
        service = self._mode.registered_service(request)
        self._directory.deregister(request.address, service)
        self._journal.deregistered(request.address, service)
        return f"deregistered from {service}"
