"""RegisterUpstream: services that offer themselves, and leave again (protocol §1)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from quicgw_fast.codes import RegisterCode
from quicgw_fast.proto.service_pb2 import UpstreamRegisterRequest, UpstreamRegisterResponse
from quicgw_fast.upstream.directory import usable
from quicgw_fast.upstream.errors import RegisterRefused

if TYPE_CHECKING:
    from quicgw_fast.upstream.caller import BalancingCaller
    from quicgw_fast.upstream.directory import Directory
    from quicgw_fast.upstream.own import OwnAddresses
    from quicgw_fast.upstream.routing import RoutingMode

_log = logging.getLogger("quicgw.upstream")

WAIT = 1.0
"""Seconds for the first connection: who registers and listens is in service with the answer."""


class Registration:
    """Answers RegisterUpstream; ``own`` are the addresses that nobody may register."""

    def __init__(self, mode: RoutingMode, directory: Directory, caller: BalancingCaller, own: OwnAddresses) -> None:
        self._mode = mode
        self._directory = directory
        self._caller = caller
        self._own = own

    async def register(self, request: UpstreamRegisterRequest) -> UpstreamRegisterResponse:
        """Take the instance in or out, and say what that came to."""
        try:
            message = self._leave(request) if request.deregister else await self._join(request)
        except RegisterRefused as refused:
            fields = {
                "address": request.address,
                "service": request.service_name or request.zone_id,
                "code": refused.error_code,
                "reason": str(refused),
            }
            subject = f"{request.address[:128]} {refused.error_code}"
            self._caller.warn("upstream registration refused", subject, fields)
            return UpstreamRegisterResponse(success=False, message=str(refused), error_code=refused.error_code)
        return UpstreamRegisterResponse(success=True, message=message)

    async def _join(self, request: UpstreamRegisterRequest) -> str:
        if await self._own.include(usable(request.address)):
            raise RegisterRefused(
                RegisterCode.OWN_ADDRESS, f"{request.address} is the gateway itself; register where the service listens"
            )
        service = self._mode.registered_service(request)
        instance, is_new = self._directory.register(request.address, service)
        reached = await self._caller.wait_reached(instance, WAIT)
        if is_new:
            fields = {"address": instance.address, "service": service, "connected": reached}
            _log.info("upstream registered", extra=fields)
        if reached:
            return f"registered for {service}"
        why = instance.reason or "no answer yet"
        return f"registered for {service}; no calls before the gateway can connect to it ({why})"

    def _leave(self, request: UpstreamRegisterRequest) -> str:
        service = self._mode.registered_service(request)
        self._directory.deregister(request.address, service)
        _log.info("upstream deregistered", extra={"address": request.address, "service": service})
        return f"deregistered from {service}"
