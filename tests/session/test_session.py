"""One session's own facts: its connection, its generation, whether work for it still has a point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.session import Event, State
from tests.session.making import Nowhere, make_registry

if TYPE_CHECKING:
    from types import ModuleType

    from quicgw_fast.session import Session


@pytest.fixture
def session(engine: ModuleType) -> Session:
    return make_registry(engine).create("alice", 0, 100.0)


def test_a_new_session_is_inited_and_has_no_connection(session: Session) -> None:
    assert session.state is State.INITED
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
    assert session.state is State.NORMAL


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


def test_touch_is_the_last_activity(session: Session) -> None:
    session.touch(123.0)
    assert session.last_activity == 123.0
