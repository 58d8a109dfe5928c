"""A request as its handler sees it, and the notifies that belong to it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from quicgw_fast.service.bodies import decode_json
from quicgw_fast.service.errors import ServiceError
from quicgw_fast.service.pushing import AFTER, BEFORE, NOW, OutgoingNotify, Pushed

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from quicgw_fast.proto import service_pb2 as pb
    from quicgw_fast.service.groups import GroupCaller
    from quicgw_fast.service.pushing import NotifySender

    Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One request of a client. The gateway has checked who it is: ``openid`` can be relied on, ``headers`` cannot."""

    session_id: str
    openid: str
    action: str
    """As the client wrote it."""
    params: Mapping[str, str]
    data: bytes
    headers: Mapping[str, str]
    """What the client sent along."""
    gateway: str
    """The address of the gateway that sent it, for services; empty where that does not know it. Notifies go there."""
    number: int
    """The client's number of the request, to which notifies are bound."""
    request_id: str
    """The same in the logs of gateway and service."""
    metadata: Mapping[str, str]
    """What the gateway sent along, for example ``traceparent``."""
    deadline: float
    """When nobody waits for the answer any more, on the clock of ``time.monotonic``."""
    pusher: NotifySender
    groups: GroupCaller
    loop: asyncio.AbstractEventLoop

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, 0 once it has passed."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def text(self) -> str:
        """The data as text; ServiceError 400 when it is not UTF-8."""
        try:
            return self.data.decode()
        except UnicodeDecodeError as error:
            raise ServiceError(400, "data is not UTF-8") from error

    def json(self) -> Any:
        """Return the data as JSON; ServiceError 400 when it is none."""
        return decode_json(self.data)

    async def notify(
        self, kind: str, data: object = b"", *, title: str = "", content: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Pushed:  # fmt: skip
        """Notify the client now, whenever the answer comes; raises NotifyRefused and GatewayUnreachable."""
        return await self._notify(OutgoingNotify(kind, data, title, content, metadata), NOW)

    async def notify_before(
        self, kind: str, data: object = b"", *, title: str = "", content: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Pushed:  # fmt: skip
        """Notify the client right before the answer to this request; raises NotifyRefused and GatewayUnreachable."""
        return await self._notify(OutgoingNotify(kind, data, title, content, metadata), BEFORE)

    async def notify_after(
        self, kind: str, data: object = b"", *, title: str = "", content: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Pushed:  # fmt: skip
        """Notify the client right behind the answer to this request; raises NotifyRefused and GatewayUnreachable."""
        return await self._notify(OutgoingNotify(kind, data, title, content, metadata), AFTER)

    async def join_group(self, group: str, *, ttl: float = 0.0) -> None:
        """Have the client's session be in a group, for ``ttl`` seconds or as long as it lives.

        Raises GroupRefused and GatewayUnreachable.
        """
        await self.groups.join(group, "session", self.session_id, ttl, self.gateway)

    async def leave_group(self, group: str) -> None:
        """Take the client's session out of a group, if it is in it; raises GroupRefused and GatewayUnreachable."""
        await self.groups.leave(group, "session", self.session_id, self.gateway)

    def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait for a coroutine in a handler that is a plain ``def``: ``request.wait(request.notify(…))``."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    async def _notify(self, message: OutgoingNotify, hint: pb.NotifySyncHint.ValueType) -> Pushed:
        bound_to = 0 if hint == NOW else self.number
        return await self.pusher.push(message, "session", self.session_id, hint, bound_to, self.gateway)
