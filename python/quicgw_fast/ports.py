"""What the stages need of each other, as narrow protocols: no stage imports another one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from quicgw_fast.codes import PushType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.backend import Outbox
    from quicgw_fast.errors import RequestError

GATESVR: Final = "gatesvr"
"""The ALPN of the length-prefixed stream (protocol §1)."""


class Link(Protocol):
    """One client's connection as the stages behind the transport see it."""

    @property
    def peer(self) -> str:
        """The client's address as ``host:port``, safe to log."""

    @property
    def closed(self) -> bool:
        """True once nothing can be sent any more."""

    @property
    def departed(self) -> bool:
        """True when the client has ended the connection, and what it sent before is still being handed over.

        Nothing may be begun for a client that is already gone (protocol §2): only what it did before counts.
        """

    @property
    def pending(self) -> int:
        """Bytes sent that the client's QUIC has not acknowledged."""

    @property
    def progress(self) -> int:
        """Bytes that the client's QUIC has acknowledged without a gap; with ``pending`` all that was ever sent."""

    def ready(self) -> bool:
        """Whether more may be sent now; False promises that the handler's ``writable`` is called once there is room.

        Whoever declines to send asks here, so that the wake-up cannot be forgotten. False for good after the close.
        """

    def send(self, data: bytes) -> None:
        """Queue bytes on the client's stream; nothing happens after the connection ended."""

    def close(self, code: int, reason: str = "", *, flush: bool = True) -> None:
        """Close with a QUIC application error code, once what was sent before is flushed, or at once."""


class Recipient(Protocol):
    """Who gets ordered messages: an outbox, and perhaps a connection that it flows into."""

    outbox: Outbox
    link: Link | None
    cursor: int
    """The highest number that was handed to ``link``; behind ``outbox.last_seq`` while the link is congested."""
    handed: int
    """The highest number that was ever handed to a connection: what is above it, no client can have."""


@dataclass(slots=True, frozen=True)
class TerminalReply:
    """The one terminal reply of a request, not yet numbered."""

    push_type: PushType
    code: int
    message: str
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_error(cls, error: RequestError) -> TerminalReply:
        """The PUSH_ERROR that tells of ``error``."""
        return cls(PushType.ERROR, error.code, error.message, error.detail.encode(), error.headers)
