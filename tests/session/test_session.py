"""One session's own facts: its connection, its generation, whether work for it still has a point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.session import Action, Event, SessionState
from quicgw_fast.session.states import ImpossibleEventError
from tests.session.making import Nowhere, make_registry

if TYPE_CHECKING:
    from types import ModuleType

    from quicgw_fast.session import Session


@pytest.fixture
def session(engine: ModuleType) -> Session:
    return make_registry(engine).create("alice", 0, 100.0)


def test_a_new_session_is_inited_and_has_no_connection(session: Session) -> None:
    assert session.state is SessionState.INITED
    assert not session.attached
    assert session.last_activity == 100.0


def test_every_connection_gets_a_higher_generation(session: Session) -> None:
    generations = []
    for now in (1.0, 2.0, 3.0):
        generations.append(session.attach(Nowhere(), 0, now))
        session.apply(Event.DETACHED, now)
    assert generations == sorted(set(generations))
    assert session.generation == generations[-1]


def test_attaching_forgets_what_was_of_the_old_connection(session: Session) -> None:
    session.attach(Nowhere(), 0, 1.0)
    session.apply(Event.DETACHED, 5.0)
    session.crowded_since = 4.0
    link = Nowhere()
    session.attach(link, 17, 6.0)
    assert session.link is link
    assert (session.cursor, session.detached_at, session.crowded_since, session.last_activity) == (17, None, None, 6.0)


def test_detaching_keeps_the_session(session: Session) -> None:
    session.attach(Nowhere(), 0, 1.0)
    session.apply(Event.LOGIN_BEGUN, 2.0)
    session.apply(Event.LOGGED_IN, 3.0)
    session.apply(Event.DETACHED, 9.0)
    assert not session.attached
    assert session.detached_at == 9.0
    assert session.state is SessionState.NORMAL


def test_a_session_is_serviceable_while_attached_or_within_its_resume_window(session: Session) -> None:
    session.attach(Nowhere(), 0, 0.0)
    assert session.serviceable(1e9, 120.0)
    session.apply(Event.DETACHED, 1000.0)
    assert session.serviceable(1120.0, 120.0)
    assert not session.serviceable(1120.5, 120.0)


def test_a_closed_session_is_never_serviceable(session: Session) -> None:
    session.attach(Nowhere(), 0, 0.0)
    session.apply(Event.STOPPED, 1.0)
    assert not session.serviceable(0.0, 120.0)


# Whether the client takes what it gets


class Slowly(Nowhere):
    """A link whose client's QUIC acknowledges as it is told to."""

    def __init__(self) -> None:
        self.progress = 0


def test_progress_is_what_quic_acknowledged_since_the_window_is_crowded(session: Session) -> None:
    link = Slowly()
    session.attach(link, 0, 0.0)
    link.pending = 100
    assert session.crowded_for(1.0) == 0.0
    assert session.crowded_for(4.0) == 3.0
    link.progress, link.pending = 40, 60
    assert session.crowded_for(5.0) == 0.0
    assert session.crowded_for(7.0) == 2.0


def test_answers_to_heartbeats_behind_the_last_numbered_message_are_no_progress(session: Session) -> None:
    link = Slowly()
    session.attach(link, 0, 0.0)
    link.pending = 100
    session.crowded_for(1.0)
    link.progress, link.pending = 100, 0
    assert session.crowded_for(2.0) == 0.0
    link.progress, link.pending = 150, 50
    assert session.crowded_for(9.0) == 7.0
    session.cursor = 1  # something numbered went out since: there is a new end to reach
    link.progress = 160
    assert session.crowded_for(10.0) == 0.0


def test_a_detached_session_is_not_slow(session: Session) -> None:
    assert session.crowded_for(1e6) == 0.0


def test_a_session_is_reachable_while_its_connection_is_open(session: Session) -> None:
    assert not session.reachable
    link = Nowhere()
    session.attach(link, 0, 0.0)
    assert session.reachable
    link.closed = True
    assert not session.reachable


def test_an_impossible_event_changes_nothing(session: Session) -> None:
    session.attach(Nowhere(), 0, 0.0)
    before = session.life
    with pytest.raises(ImpossibleEventError):
        session.apply(Event.LOGGED_IN, 1.0)
    assert session.life == before
    assert session.attached


def test_what_is_due_is_told_before_anything_changes(session: Session) -> None:
    session.attach(Nowhere(), 0, 0.0)
    before = session.life
    assert session.due(Event.STOPPED) == (Action.CLOSE_CONNECTION, Action.GIVE_UP)
    assert session.life == before
    assert session.apply(Event.STOPPED, 2.0) == (Action.CLOSE_CONNECTION, Action.GIVE_UP)
    assert not session.attached
    assert session.detached_at == 2.0
