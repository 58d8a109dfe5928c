"""Being known to a gateway for as long as the service runs.

A registration has a lease and is renewed well before it ends; so a gateway forgets a service that was killed, and one
that was restarted, or came back after a loss of the network, hears of it again. Between two renewals the connection is
watched: when it is lost the next attempt is made at once, and then again and again until the gateway answers. What is
said in the log is what has changed: a gateway that is away is told of once, and once when it is back.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from typing import TYPE_CHECKING, Protocol

from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.service.errors import GatewayUnreachable, RegistrationRefused, ServiceNotStarted
from quicgw_fast.service.gateway_link import TokenNotTaken

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger("quicgw.service")

LEASES = 4
"""Times the interval of renewals is the lease: some may fail without that the service leaves."""
TRY_AGAIN_AFTER = 0.5
"""Seconds between two attempts while the gateway is not there, half more or less: services do not come together."""
ANSWER_TIMEOUT = 5.0
LEAVE_TIMEOUT = 1.0
"""Seconds that a stop spends on telling one gateway."""


class RegistrationLink(Protocol):
    """The calls to one gateway that a registration needs."""

    @property
    def address(self) -> str:
        """Of the gateway, for the log."""

    async def register(self, request: pb.UpstreamRegisterRequest, timeout: float, /) -> str:
        """RegisterUpstream, and what the gateway says to it; raises RegistrationRefused and GatewayUnreachable."""

    async def gone(self, seconds: float, /) -> None:
        """Wait until the connection is lost, but not for longer."""

    async def reopen(self) -> None:
        """Begin anew after TokenNotTaken; raises ServiceNotStarted, and then nothing changed."""


def lease_for(every: float) -> int:
    """Return the seconds that a registration has which is renewed ``every`` so many."""
    return math.ceil(LEASES * every)


def registrations(
    address: str, services: Sequence[str], zones: Sequence[str], every: float
) -> list[pb.UpstreamRegisterRequest]:
    """Return what a service at ``address`` asks for, renewed ``every`` so many seconds."""
    lease = lease_for(every)
    named = [pb.UpstreamRegisterRequest(address=address, service_name=name, lease=lease) for name in services]
    return named + [pb.UpstreamRegisterRequest(address=address, zone_id=zone, lease=lease) for zone in zones]


class KeptRegistration:
    """Keeps ``requests`` registered with the gateway of ``link``, from ``start`` to ``leave``."""

    def __init__(self, link: RegistrationLink, requests: Sequence[pb.UpstreamRegisterRequest], every: float) -> None:
        self._link = link
        self._requests = requests
        self._every = every
        self._said: str | None = None
        """What was said last and still holds: why the service is not registered, or not reached; None when it is."""
        self._refusal: GatewayUnreachable | RegistrationRefused | None = None
        """What the gateway said to the last attempt, if it answered that it does not want it."""
        self._answered = asyncio.Event()
        self._registered = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Register, and go on doing so."""
        self._task = asyncio.create_task(self._keep(), name=f"registration-{self._link.address}")

    @property
    def problem(self) -> str | None:
        """Why the service is not registered, or cannot be reached; None while nothing is known to be wrong."""
        return self._said

    async def accepted(self) -> None:
        """Wait for the gateway's first answer: that it takes the service in, whether it reaches it yet or not.

        Raises RegistrationRefused, or TokenNotTaken, where it does not. It is asked again all the same.
        """
        await self._answered.wait()
        if self._refusal is not None:
            raise self._refusal

    async def registered(self) -> None:
        """Wait until the gateway has taken the service in for the first time, in all its roles."""
        await self._registered.wait()

    async def leave(self) -> None:
        """Take everything back, so that the gateway sends nothing more; a gateway that is away is not waited for."""
        if self._task is None:
            return
        task, self._task = self._task, None
        task.cancel()
        await asyncio.wait({task})
        for request in self._requests:
            leaving = pb.UpstreamRegisterRequest()
            leaving.CopyFrom(request)
            leaving.deregister = True
            try:
                await self._link.register(leaving, LEAVE_TIMEOUT)
            except (GatewayUnreachable, RegistrationRefused) as error:
                _log.debug("not deregistered", extra={"gateway": self._link.address, "reason": str(error)})
                if isinstance(error, GatewayUnreachable):
                    return
        _log.info("left the gateway", extra={"gateway": self._link.address})

    async def _keep(self) -> None:
        while True:
            if await self._register_all():
                await self._link.gone(self._every)
            else:
                await asyncio.sleep(TRY_AGAIN_AFTER * random.uniform(0.5, 1.5))

    async def _register_all(self) -> bool:
        """Register for everything once; whether the gateway took it, or at least answered."""
        try:
            answers = [await self._link.register(request, ANSWER_TIMEOUT) for request in self._requests]
        except GatewayUnreachable as error:
            self._say("waiting for the gateway", str(error))
            if isinstance(error, TokenNotTaken):
                self._answer(error)
                await self._reopen(error)
            return False
        except RegistrationRefused as error:
            self._say("registration refused", str(error), logging.ERROR)
            self._answer(error)
            await asyncio.sleep(self._every)
            return False
        self._answer(None)
        # What the gateway adds to "registered for …" is why it is not connected to the service.
        unreached = next((answer for answer in answers if ";" in answer), None)
        if unreached is not None:
            self._say("registered, but the gateway cannot reach it", f"{unreached}; say with advertise=… where it does")
        elif self._said is not None or not self._registered.is_set():
            event = "registered again" if self._registered.is_set() else "registered"
            _log.info(event, extra={"gateway": self._link.address, "roles": ", ".join(map(_role, self._requests))})
            self._said = None
        if unreached is None:
            self._registered.set()
        return True

    def _answer(self, refusal: GatewayUnreachable | RegistrationRefused | None) -> None:
        self._refusal = refusal
        self._answered.set()

    async def _reopen(self, error: TokenNotTaken) -> None:
        """The token may have been renewed in its file; a channel shows the one that it was made with."""
        try:
            await self._link.reopen()
        except ServiceNotStarted as unread:
            self._say("waiting for the gateway", f"{error}; {unread}")

    def _say(self, event: str, reason: str, level: int = logging.WARNING) -> None:
        if reason != self._said:
            self._said = reason
            _log.log(level, event, extra={"gateway": self._link.address, "reason": reason})


def _role(request: pb.UpstreamRegisterRequest) -> str:
    return request.service_name or f"zone {request.zone_id}"
