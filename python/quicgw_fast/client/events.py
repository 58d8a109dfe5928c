"""What ``on_state`` is told: each step in the life of a client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quicgw_fast.client.calls import ClientCall
    from quicgw_fast.client.errors import QuicgwClientError
    from quicgw_fast.client.home import Home
    from quicgw_fast.client.messages import GapReport
    from quicgw_fast.client.session import ClientSession


class State(StrEnum):
    """What a state event reports."""

    CONNECTING = "connecting"
    """The first connection is being made."""
    CONNECTED = "connected"
    """Ready for calls: started and, unless login=False, logged in. Also after a reset."""
    RESUMED = "resumed"
    """Back with everything: the session goes on, nothing was missed."""
    RESET = "reset"
    """Back, but in a new session: ``reason`` and ``gap`` say what was lost."""
    RECONNECTING = "reconnecting"
    """The connection was lost; the next attempt begins after ``delay``."""
    UNREAD = "unread"
    """Nobody reads the notifies, and from now on the oldest are dropped (ReceivePolicy ``auto``); said once."""
    CLOSED = "closed"
    """The client has ended; ``error`` is None after an own close()."""


@dataclass(slots=True, frozen=True, kw_only=True)
class StateEvent:
    """One step in the life of a client, for ``on_state``; which fields mean something depends on ``state``."""

    state: State
    session_id: str = ""
    epoch: str = ""
    attempt: int = 0
    """Attempts since the last good connection (connecting, reconnecting)."""
    delay: float = 0.0
    """Seconds until the next attempt (reconnecting)."""
    resent: int = 0
    """Requests that the gateway had not got and that were sent again (resumed)."""
    lost: int = 0
    """Calls that failed with SessionReset (reset)."""
    reason: int | None = None
    """Why there was a reset: a ResetReason, or a number that this version does not know."""
    gap: GapReport | None = None
    """What was missed, when the gateway says so (reset)."""
    error: QuicgwClientError | None = None
    """What ended the connection (reconnecting) or the client (closed)."""


StateCallback = Callable[[StateEvent], None]


class StateEvents:
    """Tells the application's callback, where the application is."""

    def __init__(self, callback: StateCallback | None, session: ClientSession[ClientCall], home: Home) -> None:
        self._callback = callback
        self._session = session
        self._home = home

    def emit(self, state: State, **details: Any) -> None:
        """Tell the client's new ``state``, with the fields of StateEvent that mean something for it."""
        if self._callback is None:
            return
        event = StateEvent(state=state, session_id=self._session.session_id, epoch=self._session.epoch, **details)
        self._home.tell(f"on_state failed at {state}", partial(self._callback, event))
