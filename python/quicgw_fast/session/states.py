"""The life of a session: every state, every event, and what each event leads to (protocol §2, §5).

A session is in four states at once, which answer four questions; together they are its ``Life``:

* ``SessionState``: how far has its client come? INITED since START, NORMAL since a hello was answered 200, CLOSED at
  the end.
* ``Login``: is a hello under way? What the client sent behind it waits for its answer, and only one is asked for at a
  time. Another hello of a session that is NORMAL does not take that back while it lasts, nor when it is refused.
* ``Attachment``: is a client attached? A detached session goes on working and retaining until its resume window passed.
* ``WindowState``: is everything that the client is owed still there? Once something had to be left out, the session is
  OVERFLOWED: it takes no client any more and only waits to be replaced or to expire.

They are apart because they move apart: a login goes on while its client is away, and a client comes back to whatever
its session has become. Where they do depend on each other, the rules say so: an overflow calls off the hello that is
under way, no client attaches to a session that overflowed, and an end is the end of all four.

``RULES`` is the whole of it, one line for each way an event can go. A pair of life and event that no line has is
impossible: ``step`` refuses it before anything has changed, and the caller has a bug. ``TRANSITIONS`` is the same,
spelt out for every pair. Nothing here does anything: a step names the actions, and whoever owns the session carries
them out (``flow``). The diagram in ARCHITECTURE.md is ``mermaid()``; a test compares the two.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterator


class SessionState(Enum):
    """How far a session has come; the names are those of the protocol."""

    INITED = "INITED"
    NORMAL = "NORMAL"
    CLOSED = "CLOSED"


class Login(Enum):
    """Whether a hello is under way."""

    IDLE = "no hello under way"
    UNDER_WAY = "hello under way"


class Attachment(Enum):
    """Whether a client is attached."""

    DETACHED = "detached"
    ATTACHED = "attached"


class WindowState(Enum):
    """Whether everything that the client is owed is still there."""

    COMPLETE = "complete"
    OVERFLOWED = "overflowed"


class Event(Enum):
    """What happens to a session."""

    ATTACHED = "START"
    DETACHED = "connection ends"
    LOGIN_BEGUN = "hello"
    LOGGED_IN = "hello answered 200"
    LOGIN_REFUSED = "hello answered otherwise"
    OVERFLOWED = "something is left out"
    STOPPED = "STOP"
    REPLACED = "replaced by a fresh session"
    KICKED = "ended by an operator"
    EXPIRED = "resume window passed"
    MOVED = "taken over by another gateway"


class Action(Enum):
    """What the owner of the session has to do about an event, in the order in which a step names it."""

    COUNT_OVERFLOW = "count it"
    CLOSE_CONNECTION = "close the connection, and say why"
    GIVE_UP = "give up the requests under way: nobody gets their replies"
    HAND_OVER = "give the offline store what no connection took"


class Life(NamedTuple):
    """All that a session is in at one time."""

    state: SessionState = SessionState.INITED
    login: Login = Login.IDLE
    connection: Attachment = Attachment.DETACHED
    window: WindowState = WindowState.COMPLETE


class Step(NamedTuple):
    """What an event leads to."""

    life: Life
    actions: tuple[Action, ...] = ()


class ImpossibleEventError(Exception):
    """An event that cannot happen to a session as it is: a bug of the caller. Nothing has changed."""

    def __init__(self, life: Life, event: Event) -> None:
        super().__init__(f"{event.name} cannot happen to a session that is {', '.join(part.name for part in life)}")


class Moves(TypedDict, total=False):
    """Which of the four states change; the others stay as they are."""

    state: SessionState
    login: Login
    connection: Attachment
    window: WindowState


@dataclass(frozen=True, slots=True)
class LifeRule:
    """One way an event can go: where to, and from which lives; unless it says so, from all that are not CLOSED."""

    event: Event
    to: Moves
    actions: tuple[Action, ...] = ()
    state: tuple[SessionState, ...] = (SessionState.INITED, SessionState.NORMAL)
    login: tuple[Login, ...] = tuple(Login)
    connection: tuple[Attachment, ...] = tuple(Attachment)
    window: tuple[WindowState, ...] = tuple(WindowState)

    def lives(self) -> Iterator[Life]:
        """Every life to which the event can happen by this rule."""
        return itertools.starmap(Life, itertools.product(self.state, self.login, self.connection, self.window))


_UNDER_WAY, _IDLE = (Login.UNDER_WAY,), (Login.IDLE,)
_ATTACHED, _DETACHED = (Attachment.ATTACHED,), (Attachment.DETACHED,)
_COMPLETE, _OVERFLOWED = (WindowState.COMPLETE,), (WindowState.OVERFLOWED,)
_CLOSED = Moves(state=SessionState.CLOSED, login=Login.IDLE, connection=Attachment.DETACHED)
_LEFT_OUT = Moves(login=Login.IDLE, window=WindowState.OVERFLOWED)


def _end(event: Event, *actions: Action) -> tuple[LifeRule, LifeRule]:
    """The end of a session, whatever it was doing."""
    return (
        LifeRule(event, _CLOSED, (Action.CLOSE_CONNECTION, Action.GIVE_UP, *actions), connection=_ATTACHED),
        LifeRule(event, _CLOSED, (Action.GIVE_UP, *actions), connection=_DETACHED),
    )


RULES: Final = (
    # The connection. Who takes a session over ends its old connection first.
    LifeRule(Event.ATTACHED, Moves(connection=Attachment.ATTACHED), connection=_DETACHED, window=_COMPLETE),
    LifeRule(Event.DETACHED, Moves(connection=Attachment.DETACHED), connection=_ATTACHED),
    # The login. A hello behind another one waits, and begins only when that is answered; also while its client is away.
    LifeRule(Event.LOGIN_BEGUN, Moves(login=Login.UNDER_WAY), login=_IDLE, window=_COMPLETE),
    LifeRule(Event.LOGGED_IN, Moves(state=SessionState.NORMAL, login=Login.IDLE), login=_UNDER_WAY, window=_COMPLETE),
    LifeRule(Event.LOGIN_REFUSED, Moves(login=Login.IDLE), login=_UNDER_WAY, window=_COMPLETE),
    # The window. Only the first overflow is counted and told; the session stays until it is replaced or expires.
    LifeRule(
        Event.OVERFLOWED,
        _LEFT_OUT,
        (Action.COUNT_OVERFLOW, Action.GIVE_UP, Action.CLOSE_CONNECTION),
        connection=_ATTACHED,
        window=_COMPLETE,
    ),
    LifeRule(
        Event.OVERFLOWED,
        _LEFT_OUT,
        (Action.COUNT_OVERFLOW, Action.GIVE_UP),
        connection=_DETACHED,
        window=_COMPLETE,
    ),
    LifeRule(Event.OVERFLOWED, Moves(), login=_IDLE, window=_OVERFLOWED),
    # The end. What STOP leaves behind is dropped: its client wants nothing more of it.
    *_end(Event.STOPPED),
    *_end(Event.REPLACED, Action.HAND_OVER),
    *_end(Event.KICKED, Action.HAND_OVER),
    *_end(Event.EXPIRED, Action.HAND_OVER),
    # It goes on elsewhere: nothing is lost, and what is under way for it ends here.
    LifeRule(Event.MOVED, _CLOSED, (Action.CLOSE_CONNECTION,), connection=_ATTACHED),
    LifeRule(Event.MOVED, _CLOSED, connection=_DETACHED),
)

TRANSITIONS: Final = {
    (life, rule.event): Step(life._replace(**rule.to), rule.actions) for rule in RULES for life in rule.lives()
}
"""Every pair of life and event that is possible."""


def step(life: Life, event: Event) -> Step:
    """Return what ``event`` leads to; ImpossibleEventError when it cannot happen to such a session."""
    found = TRANSITIONS.get((life, event))
    if found is None:
        raise ImpossibleEventError(life, event)
    return found


def mermaid() -> str:
    """Draw the rules as a mermaid state diagram: the four questions side by side, each with its arrows."""
    lines = ["stateDiagram-v2", "    [*] --> open: START", "    state open {"]
    for name, first in Life()._asdict().items():
        lines += [f"        [*] --> {first.name}", *_arrows(name), "        --"]
    lines[-1] = "    }"
    ends = dict.fromkeys(rule.event.value for rule in RULES if rule.to is _CLOSED)
    return "\n".join([*lines, *(f"    open --> CLOSED: {end}" for end in ends), "    CLOSED --> [*]"])


def _arrows(name: str) -> dict[str, None]:
    """The arrows within one of the four questions, in the order of the rules and each once."""
    arrows: dict[str, None] = {}
    for rule in RULES:
        before: tuple[Enum, ...] = getattr(rule, name)
        after = rule.to.get(name)
        if isinstance(after, Enum) and rule.to is not _CLOSED:
            text = f"{after.name}: {rule.event.value}"
            arrows |= dict.fromkeys(f"        {old.name} --> {text}" for old in before if old is not after)
    return arrows
