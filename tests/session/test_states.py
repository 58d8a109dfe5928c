"""The life of a session: every pair of life and event, walks through all of them, and the picture made of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.session.states import (
    RULES,
    TRANSITIONS,
    Action,
    Attachment,
    Event,
    ImpossibleEventError,
    Life,
    Login,
    SessionState,
    Step,
    WindowState,
    mermaid,
    step,
)

LIVES = list(itertools.starmap(Life, itertools.product(SessionState, Login, Attachment, WindowState)))
PAIRS = list(itertools.product(LIVES, Event))
ENDINGS = (Event.STOPPED, Event.REPLACED, Event.KICKED, Event.EXPIRED, Event.MOVED)


def expected(life: Life, event: Event) -> Step | None:
    """What protocol §2 and §5 say, written as a person would: not from the rules. None is impossible."""
    attached = life.connection is Attachment.ATTACHED
    if life.state is SessionState.CLOSED:
        return None
    if event in ENDINGS:
        return expected_end(life, event)
    if event is Event.DETACHED:
        return Step(life._replace(connection=Attachment.DETACHED)) if attached else None
    if event is Event.OVERFLOWED:
        return expected_overflow(life)
    if life.window is WindowState.OVERFLOWED:
        return None
    if event is Event.ATTACHED:
        return Step(life._replace(connection=Attachment.ATTACHED)) if not attached else None
    return expected_login(life, event)


def expected_end(life: Life, event: Event) -> Step:
    actions = [] if event is Event.MOVED else [Action.GIVE_UP]
    if life.connection is Attachment.ATTACHED:
        actions.insert(0, Action.CLOSE_CONNECTION)
    if event not in (Event.STOPPED, Event.MOVED):
        actions.append(Action.HAND_OVER)
    return Step(Life(SessionState.CLOSED, Login.IDLE, Attachment.DETACHED, life.window), tuple(actions))


def expected_overflow(life: Life) -> Step | None:
    if life.window is WindowState.OVERFLOWED:
        return Step(life) if life.login is Login.IDLE else None
    actions = [Action.COUNT_OVERFLOW, Action.GIVE_UP]
    if life.connection is Attachment.ATTACHED:
        actions.append(Action.CLOSE_CONNECTION)
    return Step(life._replace(login=Login.IDLE, window=WindowState.OVERFLOWED), tuple(actions))


def expected_login(life: Life, event: Event) -> Step | None:
    if (event is Event.LOGIN_BEGUN) is (life.login is Login.UNDER_WAY):
        return None
    if event is Event.LOGIN_BEGUN:
        return Step(life._replace(login=Login.UNDER_WAY))
    if event is Event.LOGGED_IN:
        return Step(life._replace(state=SessionState.NORMAL, login=Login.IDLE))
    return Step(life._replace(login=Login.IDLE))


@pytest.mark.parametrize(("life", "event"), PAIRS)
def test_every_pair_is_a_step_or_impossible(life: Life, event: Event) -> None:
    wanted = expected(life, event)
    if wanted is not None:
        assert step(life, event) == wanted
        return
    with pytest.raises(ImpossibleEventError, match=event.name):
        step(life, event)


def test_no_two_rules_are_for_the_same_pair() -> None:
    spelt_out = [(life, rule.event) for rule in RULES for life in rule.lives()]
    assert len(spelt_out) == len(set(spelt_out)) == len(TRANSITIONS)


def test_closed_is_the_end() -> None:
    assert not [life for life, _ in TRANSITIONS if life.state is SessionState.CLOSED]


def test_the_names_are_those_of_the_protocol() -> None:
    assert [state.value for state in SessionState] == ["INITED", "NORMAL", "CLOSED"]


def test_impossible_events_say_what_the_session_is() -> None:
    with pytest.raises(ImpossibleEventError) as caught:
        step(Life(), Event.LOGGED_IN)
    assert str(caught.value) == "LOGGED_IN cannot happen to a session that is INITED, IDLE, DETACHED, COMPLETE"


# Walks


class Owner:
    """Carries the actions out, as a list of what was done."""

    def __init__(self) -> None:
        self.done: list[Action] = []
        self.life = Life()

    def happen(self, event: Event) -> None:
        """Take a step if it is possible."""
        try:
            self.life, actions = step(self.life, event)
        except ImpossibleEventError:
            return
        self.done += actions


@given(st.lists(st.sampled_from([event for event in Event if event not in ENDINGS])), st.sampled_from(ENDINGS))
def test_whatever_happens_before_it_an_end_is_always_possible_and_the_last_step(walk: list[Event], end: Event) -> None:
    owner = Owner()
    for event in walk:
        owner.happen(event)
        if owner.life.window is WindowState.OVERFLOWED:
            assert owner.life.login is Login.IDLE, "nobody waits for what nobody can get"
    assert owner.done.count(Action.COUNT_OVERFLOW) == int(owner.life.window is WindowState.OVERFLOWED)
    owner.happen(end)
    assert owner.life[:3] == (SessionState.CLOSED, Login.IDLE, Attachment.DETACHED)
    after = list(owner.done)
    for event in Event:
        owner.happen(event)
    assert owner.done == after


@given(st.lists(st.sampled_from(Event)))
def test_every_connection_that_is_there_at_the_end_is_closed_and_every_hello_is_answered_or_given_up(
    walk: list[Event],
) -> None:
    owner = Owner()
    for event in walk:
        before, done = owner.life, len(owner.done)
        owner.happen(event)
        actions = owner.done[done:]
        if before.state is not SessionState.CLOSED and owner.life.state is SessionState.CLOSED:
            assert (Action.CLOSE_CONNECTION in actions) is (before.connection is Attachment.ATTACHED)
        if before.login is Login.UNDER_WAY and owner.life.login is Login.IDLE:
            goes_on = event in (Event.LOGGED_IN, Event.LOGIN_REFUSED, Event.MOVED)
            assert goes_on is not (Action.GIVE_UP in actions)


def test_all_lives_that_the_rules_know_can_be_reached() -> None:
    reached, new = {Life()}, {Life()}
    while new:
        new = {TRANSITIONS[life, event].life for life in new for event in Event if (life, event) in TRANSITIONS}
        new -= reached
        reached |= new
    # But for the lives in which a hello is under way though the window overflowed, and CLOSED with anything going on.
    never = [life for life in LIVES if life not in reached]
    assert all(life.state is SessionState.CLOSED or life.window is WindowState.OVERFLOWED for life in never)
    assert all(life.login is Login.UNDER_WAY or life.connection is Attachment.ATTACHED for life in never)


# The picture


def test_the_picture_has_one_arrow_for_each_move_and_no_other() -> None:
    lines = [line.strip() for line in mermaid().splitlines()]
    arrows = {line for line in lines if "-->" in line and "[*]" not in line}
    moves = set()
    for (life, event), (after, _) in TRANSITIONS.items():
        if after.state is SessionState.CLOSED:
            moves.add(f"open --> CLOSED: {event.value}")
            continue
        moves |= {f"{a.name} --> {b.name}: {event.value}" for a, b in zip(life, after, strict=True) if a is not b}
    assert arrows == moves
    assert len(lines) == len(set(lines)) + lines.count("--") - 1
    assert [line for line in lines if "[*]" in line] == [
        "[*] --> open: START",
        *(f"[*] --> {first.name}" for first in Life()),
        "CLOSED --> [*]",
    ]
