"""The life of a connection: every state, every event, and what each event leads to (RFC 9000 §10).

A connection is *closed* for its application long before the network is done with it. The first two states are those
in which the application may use it; what follows is the way out, which a connection goes in one direction only:

* ``FLUSHING``: it is closed, and what was sent before goes out first. The closing packet waits until the peer has
  acknowledged everything, or until the flush deadline. A close without flushing is one whose deadline is now.
* ``CLOSING`` and ``DRAINING`` are RFC 9000's (§10.2.1, §10.2.2). QUIC's state machine is done with; what is left are
  the connection ids, kept until late packets have died out. In the closing period such packets are answered with the
  closing packet again, in the draining period with silence: the peer has closed too, or no closing packet can be made
  (no keys yet, or QUIC's idle time-out, after which nobody listens).
* ``DISCARDED``: nothing is left in the endpoint.

Three deadlines belong to states, and each is named after its own: the handshake's, the flush's, and the end of the
closing or draining period, which the period keeps itself.

``RULES`` is the whole of it. What no rule has is impossible, a bug of the caller: ``step`` refuses it before anything
has changed. What comes late (a second close, a fault after the end) is a rule that changes nothing, so that it can
be seen to be meant. Nothing here does anything: whoever drives the connection carries the actions out, in their order.
The diagram in ARCHITECTURE.md is ``mermaid()``; a test compares the two.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class LinkState(Enum):
    """How far a connection is."""

    HANDSHAKE = "handshake"
    OPEN = "open"
    FLUSHING = "flushing"
    CLOSING = "closing period"
    DRAINING = "draining period"
    DISCARDED = "discarded"


class LinkEvent(Enum):
    """What happens to a connection."""

    ESTABLISHED = "handshake complete"
    CLOSED = "closed by this side"
    STREAM_ENDED = "the peer ends its stream"
    FLUSHED = "all acknowledged, or flush deadline"
    QUIC_CLOSED = "QUIC finds a fault or times out"
    PEER_CLOSED = "the peer closes"
    BROKEN = "it cannot be handled"
    ABORTED = "aborted, and the peer told once"
    FORGOTTEN = "stateless reset, or given up in silence"
    UNSAYABLE = "no closing packet can be made"
    PERIOD_OVER = "period over"


class LinkAction(Enum):
    """What whoever drives the connection has to do about an event, in the order in which a step names it."""

    MAKE_HANDLER = "have the owner make its handler"
    TELL = "count it as closed and tell its handler"
    SEND_ONCE = "send the closing packet once"
    SEND_CLOSE = "send the closing packet, and begin the closing period"
    BEGIN_DRAINING = "begin the draining period"
    DROP_IDS = "give the connection ids back at once"
    RELEASE = "tell those who wait that nothing is left"


class LinkStep(NamedTuple):
    """What an event leads to."""

    state: LinkState
    actions: tuple[LinkAction, ...] = ()


class ImpossibleLinkEventError(Exception):
    """An event that cannot happen to a connection as it is: a bug of the caller. Nothing has changed."""

    def __init__(self, state: LinkState, event: LinkEvent) -> None:
        super().__init__(f"{event.name} cannot happen to a connection that is {state.name}")


class LinkRule(NamedTuple):
    """Where an event leads from some states; ``to`` is None where it changes nothing."""

    event: LinkEvent
    states: tuple[LinkState, ...]
    to: LinkState | None
    actions: tuple[LinkAction, ...] = ()


S, E, A = LinkState, LinkEvent, LinkAction
LIVE: Final = (S.HANDSHAKE, S.OPEN)
"""The states in which it is not closed for its application."""
_FLUSHING: Final = (S.FLUSHING,)
_PERIODS: Final = (S.CLOSING, S.DRAINING)
LEFT: Final = (*_PERIODS, S.DISCARDED)
"""The states in which QUIC is done with, and at most the connection ids are still kept."""

RULES: Final = (
    # The handshake. One that is completed after the close serves to bring the closing packet through.
    LinkRule(E.ESTABLISHED, (S.HANDSHAKE,), S.OPEN, (A.MAKE_HANDLER,)),
    LinkRule(E.ESTABLISHED, _FLUSHING, None),
    # An end that can wait for what was sent before.
    LinkRule(E.CLOSED, LIVE, S.FLUSHING, (A.TELL,)),
    LinkRule(E.CLOSED, (*_FLUSHING, *LEFT), None),
    LinkRule(E.STREAM_ENDED, LIVE, S.FLUSHING, (A.TELL,)),
    LinkRule(E.STREAM_ENDED, (*_FLUSHING, *LEFT), None),
    LinkRule(E.FLUSHED, _FLUSHING, S.CLOSING, (A.SEND_CLOSE,)),
    # Ends that cannot. The first one counts.
    LinkRule(E.QUIC_CLOSED, LIVE, S.CLOSING, (A.TELL, A.SEND_CLOSE)),
    LinkRule(E.QUIC_CLOSED, _FLUSHING, S.CLOSING, (A.SEND_CLOSE,)),
    LinkRule(E.QUIC_CLOSED, LEFT, None),
    LinkRule(E.BROKEN, LIVE, S.CLOSING, (A.TELL, A.SEND_CLOSE)),
    LinkRule(E.BROKEN, _FLUSHING, S.CLOSING, (A.SEND_CLOSE,)),
    LinkRule(E.BROKEN, LEFT, None),
    LinkRule(E.PEER_CLOSED, LIVE, S.DRAINING, (A.TELL, A.BEGIN_DRAINING)),
    LinkRule(E.PEER_CLOSED, _FLUSHING, S.DRAINING, (A.BEGIN_DRAINING,)),
    LinkRule(E.PEER_CLOSED, LEFT, None),
    LinkRule(E.UNSAYABLE, (S.CLOSING,), S.DRAINING, (A.BEGIN_DRAINING,)),
    # Ends without a period: there is nobody whose late packets would matter.
    LinkRule(E.ABORTED, LIVE, S.DISCARDED, (A.TELL, A.SEND_ONCE, A.DROP_IDS, A.RELEASE)),
    LinkRule(E.ABORTED, _FLUSHING, S.DISCARDED, (A.SEND_ONCE, A.DROP_IDS, A.RELEASE)),
    LinkRule(E.ABORTED, LEFT, None),
    LinkRule(E.FORGOTTEN, LIVE, S.DISCARDED, (A.TELL, A.DROP_IDS, A.RELEASE)),
    LinkRule(E.FORGOTTEN, _FLUSHING, S.DISCARDED, (A.DROP_IDS, A.RELEASE)),
    LinkRule(E.FORGOTTEN, LEFT, None),
    LinkRule(E.PERIOD_OVER, _PERIODS, S.DISCARDED, (A.RELEASE,)),
)

TRANSITIONS: Final = {
    (state, rule.event): LinkStep(rule.to or state, rule.actions) for rule in RULES for state in rule.states
}
"""Every pair of state and event that is possible."""


def step(state: LinkState, event: LinkEvent) -> LinkStep:
    """Return what ``event`` leads to; ImpossibleLinkEventError when it cannot happen to such a connection."""
    found = TRANSITIONS.get((state, event))
    if found is None:
        raise ImpossibleLinkEventError(state, event)
    return found


def mermaid() -> str:
    """Draw the rules as a mermaid state diagram; those that change nothing are left out."""
    arrows = [
        f"    {state.name} --> {rule.to.name}: {rule.event.value}"
        for rule in RULES
        if rule.to is not None
        for state in rule.states
    ]
    return "\n".join(["stateDiagram-v2", "    [*] --> HANDSHAKE", *arrows, "    DISCARDED --> [*]"])
