"""The states of a session and every way between them (protocol §2).

Whether a connection is attached is a second, separate fact and no state. The diagram in ARCHITECTURE.md is made
from ``TRANSITIONS`` by ``mermaid()``; a test compares the two.
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """How far a session has come."""

    INITED = "INITED"
    NORMAL = "NORMAL"
    CLOSED = "CLOSED"


class Event(Enum):
    """What moves a session from state to state."""

    LOGGED_IN = "hello answered 200"
    STOPPED = "STOP"
    REPLACED = "replaced by a fresh session"
    EXPIRED = "resume window passed"


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.INITED, Event.LOGGED_IN): State.NORMAL,
    (State.NORMAL, Event.LOGGED_IN): State.NORMAL,
    **{
        (state, event): State.CLOSED
        for state in (State.INITED, State.NORMAL)
        for event in (Event.STOPPED, Event.REPLACED, Event.EXPIRED)
    },
}


def next_state(state: State, event: Event) -> State:
    """Return where ``event`` leads; KeyError for a step that the table does not have (a bug of the caller)."""
    return TRANSITIONS[state, event]


def mermaid() -> str:
    """Draw the table as a mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> INITED: START"]
    lines += [f"    {a.value} --> {b.value}: {event.value}" for (a, event), b in TRANSITIONS.items()]
    return "\n".join([*lines, "    CLOSED --> [*]"])
