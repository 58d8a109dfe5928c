"""The life of a client: every state, every event, and what each event leads to.

A client tries for its first connection until its time is up (CONNECTING). Once a START was accepted it stays until it
is told to go or may not come back: it is STARTED while a hello is under way, READY when calls go out, and RECONNECTING
while it has no connection. The application's close() leaves a while for the gateway to confirm it (STOPPING); CLOSED is
the end, from everywhere, and for good.

The gateway's messages and the application's wishes meet in the loop in any order. So an accepted START, an answer to
hello and the end of a connection still come when the client is on its way out: the state stays what it is. A pair of
state and event that no rule has is impossible: ``step`` refuses it before anything has changed, and the caller has a
bug. Nothing here does anything: a step names the actions, and the ``Runner`` carries them out. The diagram in
ARCHITECTURE.md is ``mermaid()``; a test compares the two.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class ClientState(Enum):
    """How far a client has come."""

    CONNECTING = "no START was accepted yet"
    STARTED = "START was accepted, hello is under way"
    READY = "calls go out"
    RECONNECTING = "the connection was lost"
    STOPPING = "the application closes the client"
    CLOSED = "the client has ended"


class ClientEvent(Enum):
    """What happens to a client."""

    STARTED = "START accepted"
    LOGGED_IN = "logged in"
    LOST = "connection ends"
    STOPPED = "application closes"
    ENDED = "end"


class ClientAction(Enum):
    """What the runner has to do about an event, in the order in which a step names it."""

    TAKE_ANSWER = "go on with the session that the answer to START names"
    OPEN_CALLS = "let calls out"
    TELL_READY = "tell the application that it is connected"
    HOLD_CALLS = "hold calls back"
    TAKE_LEAVE = "acknowledge, and say STOP or drop the connection"
    FAIL_WAITING = "answer everybody who waits, and tell the application"


class ClientStep(NamedTuple):
    """What an event leads to."""

    state: ClientState
    actions: tuple[ClientAction, ...] = ()


class ImpossibleClientEventError(Exception):
    """An event that cannot happen to a client as it is: a bug of the caller. Nothing has changed."""

    def __init__(self, state: ClientState, event: ClientEvent) -> None:
        super().__init__(f"{event.name} cannot happen to a client that is {state.name}")


_S, _E, _A = ClientState, ClientEvent, ClientAction
_AWAY = (_S.CONNECTING, _S.RECONNECTING)
_ATTACHED = (_S.STARTED, _S.READY)

RULES: Final[tuple[tuple[ClientEvent, tuple[ClientState, ...], ClientState, tuple[ClientAction, ...]], ...]] = (
    (_E.STARTED, _AWAY, _S.STARTED, (_A.TAKE_ANSWER,)),
    # What it says belongs into the ticket that detach() returns.
    (_E.STARTED, (_S.STOPPING,), _S.STOPPING, (_A.TAKE_ANSWER,)),
    (_E.STARTED, (_S.CLOSED,), _S.CLOSED, ()),
    # A client that is READY may be told so again: by a hello whose answer came as its connection was replaced.
    (_E.LOGGED_IN, _ATTACHED, _S.READY, (_A.OPEN_CALLS, _A.TELL_READY)),
    (_E.LOGGED_IN, (_S.STOPPING,), _S.STOPPING, (_A.TELL_READY,)),
    (_E.LOGGED_IN, (_S.CLOSED,), _S.CLOSED, ()),
    (_E.LOST, (_S.CONNECTING,), _S.CONNECTING, (_A.HOLD_CALLS,)),
    (_E.LOST, (*_ATTACHED, _S.RECONNECTING), _S.RECONNECTING, (_A.HOLD_CALLS,)),
    (_E.LOST, (_S.STOPPING,), _S.STOPPING, (_A.HOLD_CALLS,)),
    (_E.LOST, (_S.CLOSED,), _S.CLOSED, (_A.HOLD_CALLS,)),
    # Nothing may follow STOP: calls are held back before leave is taken.
    (_E.STOPPED, _ATTACHED, _S.STOPPING, (_A.HOLD_CALLS, _A.TAKE_LEAVE)),
    (_E.STOPPED, _AWAY, _S.STOPPING, (_A.HOLD_CALLS,)),
    (_E.STOPPED, (_S.CLOSED,), _S.CLOSED, ()),
    (_E.ENDED, (*_AWAY, *_ATTACHED, _S.STOPPING), _S.CLOSED, (_A.HOLD_CALLS, _A.FAIL_WAITING)),
    (_E.ENDED, (_S.CLOSED,), _S.CLOSED, ()),
)

TRANSITIONS: Final = {
    (before, event): ClientStep(after, actions) for event, states, after, actions in RULES for before in states
}


def step(state: ClientState, event: ClientEvent) -> ClientStep:
    """Return what ``event`` leads to. Raises ImpossibleClientEventError when it cannot happen."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise ImpossibleClientEventError(state, event) from None


def mermaid() -> str:
    """Draw the moves from one state to another; what changes nothing is left out."""
    moves = [
        f"    {before.name} --> {after.name}: {event.value}"
        for (before, event), (after, _) in TRANSITIONS.items()
        if before is not after
    ]
    return "\n".join(["stateDiagram-v2", "    [*] --> CONNECTING", *moves, "    CLOSED --> [*]"])
