"""The life of a client: every pair of state and event, walks through all of them, and the picture made of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.client.states import (
    RULES,
    TRANSITIONS,
    ClientAction,
    ClientEvent,
    ClientState,
    ClientStep,
    ImpossibleClientEventError,
    mermaid,
    step,
)

AWAY = {ClientState.CONNECTING, ClientState.RECONNECTING}
ATTACHED = {ClientState.STARTED, ClientState.READY}
LEAVING = {ClientState.STOPPING, ClientState.CLOSED}
PAIRS = list(itertools.product(ClientState, ClientEvent))


def expected(state: ClientState, event: ClientEvent) -> ClientState | None:
    """Where an event leads, written as a person would: not from the rules. None is impossible."""
    if event is ClientEvent.ENDED or state is ClientState.CLOSED:
        return ClientState.CLOSED
    if event is ClientEvent.STOPPED:
        return None if state is ClientState.STOPPING else ClientState.STOPPING
    if state is ClientState.STOPPING:
        return state
    if event is ClientEvent.LOST:
        return ClientState.CONNECTING if state is ClientState.CONNECTING else ClientState.RECONNECTING
    if event is ClientEvent.STARTED:
        return ClientState.STARTED if state in AWAY else None
    return ClientState.READY if state in ATTACHED else None


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_every_pair_leads_where_it_should_or_is_refused(state: ClientState, event: ClientEvent) -> None:
    after = expected(state, event)
    if after is None:
        with pytest.raises(ImpossibleClientEventError, match=f"{event.name} cannot happen.*{state.name}"):
            step(state, event)
    else:
        assert step(state, event).state is after


def test_no_two_rules_speak_of_the_same_pair() -> None:
    assert sum(len(states) for _, states, _, _ in RULES) == len(TRANSITIONS)


@given(st.lists(st.sampled_from(ClientEvent)))
def test_on_every_walk_calls_go_out_only_while_the_client_is_ready(events: list[ClientEvent]) -> None:
    state, calls_go_out, ends = ClientState.CONNECTING, False, 0
    for event in events:
        if (state, event) not in TRANSITIONS:
            continue
        before, (state, actions) = state, step(state, event)
        calls_go_out = (calls_go_out or ClientAction.OPEN_CALLS in actions) and ClientAction.HOLD_CALLS not in actions
        ends += ClientAction.FAIL_WAITING in actions
        assert calls_go_out is (state is ClientState.READY)
        assert before not in LEAVING or state in LEAVING
        assert (ClientAction.TAKE_LEAVE in actions) is (event is ClientEvent.STOPPED and before in ATTACHED)
        assert ends == (state is ClientState.CLOSED)


def test_every_state_can_be_reached() -> None:
    reached, new = {ClientState.CONNECTING}, {ClientState.CONNECTING}
    while new:
        new = {TRANSITIONS[pair].state for pair in TRANSITIONS if pair[0] in new} - reached
        reached |= new
    assert reached == set(ClientState)


def test_the_end_does_nothing_more_but_hold_calls_back() -> None:
    for event in ClientEvent:
        after = step(ClientState.CLOSED, event)
        assert after.state is ClientState.CLOSED
        assert set(after.actions) <= {ClientAction.HOLD_CALLS}
    assert step(ClientState.CLOSED, ClientEvent.ENDED) == ClientStep(ClientState.CLOSED)


def test_the_picture_has_one_arrow_for_each_move_and_no_other() -> None:
    arrows = [line.strip() for line in mermaid().splitlines() if "-->" in line and "[*]" not in line]
    moves = {
        f"{before.name} --> {after.state.name}: {event.value}"
        for (before, event), after in TRANSITIONS.items()
        if before is not after.state
    }
    assert len(arrows) == len(moves)
    assert set(arrows) == moves
