"""Registries and sessions for the tests of this folder, and a link that only remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicgw_fast.codes import PushType
from quicgw_fast.observe import Metrics
from quicgw_fast.session import Registry

if TYPE_CHECKING:
    from types import ModuleType

    from quicgw_fast.session import Session

REMEMBER = 120.0


def make_registry(
    engine: ModuleType, *, remember: float = REMEMBER, max_ended: int = 10_000, trail: int = 0, **outbox: Any
) -> Registry:
    """A registry whose outboxes have these options."""
    bounds = {"remember": remember, "max_ended": max_ended, "trail": trail}
    return Registry(lambda after: engine.Outbox(after=after, **outbox), Metrics(), **bounds)  # type: ignore[arg-type]


class Nowhere:
    """A link to nobody."""

    peer = "192.0.2.1:1"
    closed = False
    pending = 0

    def send(self, data: bytes) -> None:
        """Forget it."""

    def close(self, code: int, reason: str = "", *, flush: bool = True) -> None:
        """Stay as it is."""


def notify(engine: ModuleType, text: bytes = b"n") -> bytes:
    """A notify's body."""
    body = engine.encode_body(PushType.BUSINESS_DATA, 200, "[t] x", text, {})
    assert isinstance(body, bytes)
    return body


def answer(session: Session, client_seq: int) -> bytes:
    """Reply to a request."""
    return session.outbox.reply(client_seq, client_seq, PushType.BUSINESS_DATA, 200, "ok", b"", {})
