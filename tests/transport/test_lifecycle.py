"""The life cycle of a connection: every pair of state and event, and walks through all of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.transport.lifecycle import (
    LIVE,
    RULES,
    TRANSITIONS,
    ImpossibleLinkEventError,
    LinkAction,
    LinkEvent,
    LinkState,
    LinkStep,
    step,
)

S, E, A = LinkState, LinkEvent, LinkAction
PAIRS = list(itertools.product(S, E))
LEFT = (S.CLOSING, S.DRAINING, S.DISCARDED)

# The ends: where each leads, and what it brings about behind the word to the application.
ENDS: dict[LinkEvent, LinkStep] = {
    E.CLOSED: LinkStep(S.FLUSHING),
    E.STREAM_ENDED: LinkStep(S.FLUSHING),
    E.QUIC_CLOSED: LinkStep(S.CLOSING, (A.SEND_CLOSE,)),
    E.BROKEN: LinkStep(S.CLOSING, (A.SEND_CLOSE,)),
    E.PEER_CLOSED: LinkStep(S.DRAINING, (A.BEGIN_DRAINING,)),
    E.ABORTED: LinkStep(S.DISCARDED, (A.SEND_ONCE, A.DROP_IDS, A.RELEASE)),
    E.FORGOTTEN: LinkStep(S.DISCARDED, (A.DROP_IDS, A.RELEASE)),
}


def expected(state: LinkState, event: LinkEvent) -> LinkStep | None:
    """What the theory at the head of the table says, in other words than the table's; None: impossible."""
    if event in ENDS:
        end = ENDS[event]
        if state in LIVE:
            return end._replace(actions=(A.TELL, *end.actions))
        return LinkStep(state) if state in LEFT or end.state is S.FLUSHING else end
    match event, state:
        case E.ESTABLISHED, S.HANDSHAKE:
            return LinkStep(S.OPEN, (A.MAKE_HANDLER,))
        case E.ESTABLISHED, S.FLUSHING:
            return LinkStep(state)
        case E.FLUSHED, S.FLUSHING:
            return LinkStep(S.CLOSING, (A.SEND_CLOSE,))
        case E.UNSAYABLE, S.CLOSING:
            return LinkStep(S.DRAINING, (A.BEGIN_DRAINING,))
        case E.PERIOD_OVER, S.CLOSING | S.DRAINING:
            return LinkStep(S.DISCARDED, (A.RELEASE,))
    return None


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_every_pair_is_a_step_or_impossible(state: LinkState, event: LinkEvent) -> None:
    wanted = expected(state, event)
    if wanted is not None:
        assert step(state, event) == wanted
        return
    with pytest.raises(ImpossibleLinkEventError, match=f"{event.name} cannot happen to .* {state.name}"):
        step(state, event)


def test_no_two_rules_are_for_the_same_pair() -> None:
    assert len(TRANSITIONS) == sum(len(rule.states) for rule in RULES)


@given(st.lists(st.sampled_from(E)))
def test_every_walk_goes_forward_and_says_everything_once(events: list[LinkEvent]) -> None:
    """Told once, released once, ids given back or passed on once: whatever happens, in whatever order."""
    order, state, done = list(S), S.HANDSHAKE, list[LinkAction]()
    for event in events:
        if (state, event) not in TRANSITIONS:
            continue
        before, (state, actions) = state, step(state, event)
        assert order.index(state) >= order.index(before)
        done += actions
    assert done.count(A.TELL) == (state not in LIVE)
    assert done.count(A.RELEASE) == (state is S.DISCARDED)
    assert done.count(A.MAKE_HANDLER) <= 1
    assert done.count(A.SEND_CLOSE) + done.count(A.SEND_ONCE) <= 1
    passed_on = A.SEND_CLOSE in done or A.BEGIN_DRAINING in done
    assert passed_on + done.count(A.DROP_IDS) == (state in LEFT)


def test_every_state_is_left_but_the_last() -> None:
    for state in S:
        ways = [found.state for (of, _), found in TRANSITIONS.items() if of is state and found.state is not state]
        assert bool(ways) is (state is not S.DISCARDED)
