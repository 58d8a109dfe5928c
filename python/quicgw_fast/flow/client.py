"""The client at the other end of a connection, as the legs see it that answer its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from quicgw_fast.codes import CloseCode
    from quicgw_fast.ports import Carrier, Link
    from quicgw_fast.session import Session
    from quicgw_fast.trace_context import StartTrace


class ConnectedClient(Protocol):
    """One connection with what is known of its client. Legs know this much of a ``Conversation``, which knows them."""

    refused_tokens: int
    """Renewals that were refused; a few end the connection."""
    start_trace: StartTrace | None
    """Of its START, where that is traced, until that is answered."""

    @property
    def link(self) -> Link:
        """The connection."""

    @property
    def carrier(self) -> Carrier:
        """Makes messages of its bytes; may be told to hold them."""

    @property
    def session(self) -> Session | None:
        """Which it got by START, also after a newer connection took that over."""

    @property
    def open(self) -> bool:
        """Whether anything that is done for this connection still reaches its client."""

    @property
    def current(self) -> bool:
        """Whether this connection still speaks for its session."""

    def attach(self, session: Session, cursor: int) -> None:
        """Have it speak for ``session`` from now on; ``cursor`` is the highest number that its client has."""

    def ignore(self) -> None:
        """Ignore whatever still comes: the client has left."""

    def close(self, code: CloseCode, detail: str) -> None:
        """Close the connection; whatever still comes on it is ignored."""
