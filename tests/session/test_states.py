"""The states of a session: every pair of state and event, and the picture made of them."""

from __future__ import annotations

import itertools

import pytest

from quicgw_fast.session.states import TRANSITIONS, Event, State, mermaid, next_state

# Written from protocol §2, not from the code.
ENDINGS = (Event.STOPPED, Event.REPLACED, Event.EXPIRED)
EXPECTED = {
    (State.INITED, Event.LOGGED_IN): State.NORMAL,
    (State.NORMAL, Event.LOGGED_IN): State.NORMAL,
    **dict.fromkeys(itertools.product((State.INITED, State.NORMAL), ENDINGS), State.CLOSED),
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_step(state: State, event: Event) -> None:
    if (state, event) in EXPECTED:
        assert next_state(state, event) is EXPECTED[state, event]
    else:
        with pytest.raises(KeyError):
            next_state(state, event)


def test_closed_is_the_end() -> None:
    assert not [pair for pair in TRANSITIONS if pair[0] is State.CLOSED]


def test_the_names_are_those_of_the_contract() -> None:
    assert [state.value for state in State] == ["INITED", "NORMAL", "CLOSED"]


def test_the_picture_has_one_arrow_for_each_step_and_no_other() -> None:
    head, start, *arrows, end = [line.strip() for line in mermaid().splitlines()]
    assert (head, start, end) == ("stateDiagram-v2", "[*] --> INITED: START", "CLOSED --> [*]")
    assert sorted(arrows) == sorted(f"{a.value} --> {b.value}: {event.value}" for (a, event), b in TRANSITIONS.items())
