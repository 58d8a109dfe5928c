"""What the flow needs of other gateways: to reach the one that has a session which was here.

A session moves as bytes (``departures``, ``arrivals``), and what was accepted for it here stays: its requests end here,
and services that know this gateway go on pushing to it. Both are for the gateway that has it now.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple, Protocol

from quicgw_fast.codes import PushCode
from quicgw_fast.proto.service_pb2 import UnicastPushResponse

if TYPE_CHECKING:
    from quicgw_fast.ports import TerminalReply
    from quicgw_fast.proto.service_pb2 import UnicastPushRequest

_log = logging.getLogger("quicgw.cluster")


class HandedReply(NamedTuple):
    """The terminal reply of a request whose session went on to another gateway, which knows the rest of it."""

    session_id: str
    openid: str
    client_seq: int
    reply: TerminalReply


class Elsewhere(Protocol):
    """The other gateways."""

    def hand_on(self, handed: HandedReply) -> None:
        """See to it that the gateway that has the session now is given the reply (``Abroad.take``).

        Replies of one session need not come in their order: the outbox there makes one. Raises and awaits nothing:
        whoever cannot be reached is tried again, and answers 500 by itself where it hears nothing (``Abroad``).
        """

    def knows(self, target_type: str, target_id: str) -> bool:
        """Whether the target was at another gateway lately, which can be asked at once for what is not here."""

    async def push(self, request: UnicastPushRequest) -> UnicastPushResponse | None:
        """Have the gateway that has the target take the push, and return its answer; None where it is not elsewhere.

        Then it is here by now, or nowhere.
        """


class Nobody:
    """There is no other gateway, so nothing ever goes there; that something is to, is a fault of who let it move."""

    def hand_on(self, handed: HandedReply) -> None:
        """See ``Elsewhere``: it is lost, and that is said."""
        fields = {"session": handed.session_id, "openid": handed.openid, "number": handed.client_seq}
        _log.error("reply without a gateway", extra=fields)

    def knows(self, target_type: str, target_id: str) -> bool:
        """See ``Elsewhere``."""
        del target_type, target_id
        return False

    async def push(self, request: UnicastPushRequest) -> UnicastPushResponse:
        """See ``Elsewhere``."""
        told = f"the session of {request.target_type} {request.target_id[:128]!r} went to a gateway that is not known"
        return UnicastPushResponse(success=False, message=told, error_code=PushCode.TARGET_NOT_FOUND)
