"""Notifies: what a service hands to the gateway for clients, and what the gateway says to it (protocol §4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicgw_fast.codes import PushCode
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.service.bodies import NoBody, encode_data
from quicgw_fast.service.errors import NotifyRefused, ServiceMistake, notify_refused
from quicgw_fast.service.gateways import of_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quicgw_fast.service.gateways import Gateways

NOW = pb.NSH_IMMEDIATELY
BEFORE = pb.NSH_BEFORE_RESPONSE
AFTER = pb.NSH_AFTER_RESPONSE


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a notify that was not refused."""

    outcome: str
    """``sent``, ``retained`` (for when the client is back), ``cached`` (until login), ``bound`` or ``stored``."""
    pending_bytes: int
    """What the gateway keeps for that session until its client acknowledges it, this notify included; of several
    devices of an openid that of the one with most."""
    sessions: int = 1
    """How many sessions took it: an openid may have several devices. 0 where it is stored."""


@dataclass(frozen=True, slots=True)
class Broadcasted:
    """What became of a broadcast, over all gateways."""

    sent_count: int
    """How many sessions it was numbered for."""
    pending_bytes: int
    """Kept for all of them together until it is acknowledged."""
    most_pending_bytes: int
    """The same of the one with most."""

    @classmethod
    def of(cls, answers: Sequence[pb.BroadcastResponse | pb.GroupPushResponse]) -> Broadcasted:
        """Put the answers of several gateways together."""
        return cls(
            sum(answer.sent_count for answer in answers),
            sum(answer.pending_bytes for answer in answers),
            max((answer.most_pending_bytes for answer in answers), default=0),
        )


@dataclass(frozen=True, slots=True)
class OutgoingNotify:
    """What clients are told: ``kind`` is the type that they see. ``data`` as ``encode_data`` takes it."""

    kind: str
    data: object = b""
    title: str = ""
    content: str = ""
    metadata: Mapping[str, str] | None = None

    def encoded(self) -> bytes:
        """Return the data; ServiceMistake when it is none."""
        try:
            return encode_data(self.data)
        except NoBody as error:
            raise ServiceMistake(f"the notify {self.kind!r} cannot be sent: {error}") from error


class NotifySender:
    """Pushes through the gateways of a service: a session lives at one of them, and the others say so."""

    def __init__(self, gateways: Gateways, timeout: float) -> None:
        """``timeout``: seconds for the answer of one gateway."""
        self._gateways = gateways
        self._timeout = timeout

    async def push(
        self,
        message: OutgoingNotify,
        kind: str,
        target: str,
        hint: pb.NotifySyncHint.ValueType = NOW,
        bound_to: int = 0,
        called_by: str = "",
    ) -> Pushed:
        """Hand a message to the gateway at which the target is; raises NotifyRefused and GatewayUnreachable.

        ``called_by`` is the address of the gateway whose request it belongs to, which is asked first.
        """
        request = pb.UnicastPushRequest(
            target_type=kind,
            target_id=target,
            msg_type=message.kind,
            title=message.title,
            content=message.content,
            data=message.encoded(),
            metadata=dict(message.metadata or {}),
            sync_hint=hint,
            bind_client_seq_id=bound_to,
        )
        refused: NotifyRefused | None = None
        for link in await self._gateways.way(called_by):
            answer = await link.push(request, self._timeout)
            if answer.success:
                return Pushed(answer.message, answer.pending_bytes, answer.sessions)
            refused = notify_refused(answer.error_code, answer.message)
            if answer.error_code != PushCode.TARGET_NOT_FOUND:
                break
        if refused is None:
            raise ServiceMistake('the service has no gateway: Service(gateway="127.0.0.1:8092")')
        raise refused

    async def broadcast(self, message: OutgoingNotify) -> Broadcasted:
        """Hand a message to every gateway for all who are logged in; raises GatewayUnreachable."""
        request = pb.BroadcastRequest(
            msg_type=message.kind,
            title=message.title,
            content=message.content,
            data=message.encoded(),
            metadata=dict(message.metadata or {}),
        )
        return Broadcasted.of(await of_all(self._gateways.own, lambda link: link.broadcast(request, self._timeout)))
