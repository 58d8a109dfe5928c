"""The gateways of a service: those that it is registered with, and those that call it all the same.

A push that belongs to a request goes to the gateway that sent the request, which says where it is (header ``gateway``,
protocol §3). That may be one that the service was never told of. To such an address a connection is made, and it is
used once it is there: an address that cannot be reached from here costs one short wait, and the service's own gateways
are asked in its place. A push that was sent goes nowhere else: nobody knows whether it arrived.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from quicgw_fast.service.access import checked_address
from quicgw_fast.service.errors import ServiceMistake, ServiceNotStarted
from quicgw_fast.service.gateway_link import GatewayLink

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from quicgw_fast.service.access import GatewayDoor

MOST: Final = 64
"""Connections to gateways that called and are not the service's own; of more, the one used longest ago goes."""
FIRST_WAIT: Final = 1.0
"""Seconds for a new connection to such a one."""


class OfAll(Protocol):
    """An answer about whatever is at a gateway, or at all gateways of its cluster."""

    everywhere: bool


Answer = TypeVar("Answer", bound=OfAll)


async def of_all(links: Sequence[GatewayLink], ask: Callable[[GatewayLink], Awaitable[Answer]]) -> list[Answer]:
    """Ask one gateway after the other, until one has answered for all of its cluster."""
    answers: list[Answer] = []
    for link in links:
        answers.append(await ask(link))
        if answers[-1].everywhere:
            break
    return answers


class Gateways:
    """Finds the way of a push. Make it inside the running loop."""

    def __init__(self, own: Sequence[GatewayLink], door: GatewayDoor) -> None:
        self.own = own
        self._door = door
        self._callers: OrderedDict[str, GatewayLink] = OrderedDict()
        """By address; the one that was used last comes last."""

    async def way(self, called_by: str) -> Sequence[GatewayLink]:
        """Return the links to ask, one after the other, about what the gateway at that address called for."""
        first = next((link for link in self.own if link.address == called_by), None) or await self._caller(called_by)
        return self.own if first is None else [first, *(link for link in self.own if link is not first)]

    async def close(self) -> None:
        """Close the connections that were made here."""
        while self._callers:
            _, link = self._callers.popitem()
            await link.close()

    async def _caller(self, address: str) -> GatewayLink | None:
        """The link to a gateway that is none of the service's own; None where it is not to be used, or not now."""
        if not address or not self._door.shows_itself_safely:
            return None
        link = self._callers.get(address)
        if link is None:
            with contextlib.suppress(ServiceMistake, ServiceNotStarted):  # no address, or a file is gone: as without it
                link = GatewayLink(checked_address(address, "the gateway"), self._door)
            if link is None:
                return None
            await self._keep(link)
            await link.connected(FIRST_WAIT)
        self._callers.move_to_end(address)
        return link if link.is_connected() or not self.own else None

    async def _keep(self, link: GatewayLink) -> None:
        self._callers[link.address] = link
        if len(self._callers) > MOST:
            _, oldest = self._callers.popitem(last=False)
            await oldest.close()
