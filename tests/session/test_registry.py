"""Who is there, under which names, and who is remembered for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.session import Event, SessionState
from tests.session.making import REMEMBER, answer, make_registry, notify

if TYPE_CHECKING:
    from types import ModuleType


def test_a_session_is_found_by_its_id_and_openid(engine: ModuleType) -> None:
    registry = make_registry(engine)
    alice, bob = registry.create("alice", 0, 0.0), registry.create("bob", 0, 0.0)
    assert registry.by_id(alice.id) is alice
    assert registry.by_openid("bob") is bob
    assert registry.by_id("alice") is None
    assert registry.by_openid("") is None
    assert set(registry) == {alice, bob}
    assert len(registry) == 2


def test_ids_and_epochs_cannot_be_guessed(engine: ModuleType) -> None:
    registry = make_registry(engine)
    sessions = [registry.create(f"u{number}", 0, 0.0) for number in range(200)]
    assert len({session.id for session in sessions}) == 200
    assert len({session.epoch for session in sessions}) == 200
    assert all(len(bytes.fromhex(session.id)) == 16 for session in sessions)  # 128 bits, which nobody guesses


def test_one_openid_has_one_live_session(engine: ModuleType) -> None:
    registry = make_registry(engine)
    first = registry.create("alice", 0, 0.0)
    with pytest.raises(ValueError, match="live session"):
        registry.create("alice", 0, 0.0)
    registry.end(first, Event.STOPPED, 1.0)
    second = registry.create("alice", 0, 2.0)
    assert registry.by_openid("alice") is second
    assert second.id != first.id
    assert second.epoch != first.epoch


def test_a_fresh_session_numbers_on_from_what_the_client_had(engine: ModuleType) -> None:
    session = make_registry(engine).create("alice", 41, 0.0)
    session.outbox.push(notify(engine))
    assert session.outbox.last_seq == 42
    assert session.cursor == 41


def test_sessions_may_end_while_all_are_gone_through(engine: ModuleType) -> None:
    registry = make_registry(engine)
    for number in range(5):
        registry.create(f"u{number}", 0, 0.0)
    for session in registry:
        registry.end(session, Event.STOPPED, 1.0)
    assert len(registry) == 0


# gid: protocol §2, "a push to a gid goes to the newest session that got it"


def test_the_newest_session_with_a_gid_has_it(engine: ModuleType) -> None:
    registry = make_registry(engine)
    alice, bob = registry.create("alice", 0, 0.0), registry.create("bob", 0, 0.0)
    assert registry.by_gid("g") is None
    registry.set_gid(alice, "g")
    assert registry.by_gid("g") is alice
    registry.set_gid(bob, "g")
    assert registry.by_gid("g") is bob
    registry.set_gid(alice, "g")
    assert registry.by_gid("g") is alice


def test_a_gid_goes_back_to_the_one_before_when_the_newest_ends(engine: ModuleType) -> None:
    registry = make_registry(engine)
    alice, bob = registry.create("alice", 0, 0.0), registry.create("bob", 0, 0.0)
    registry.set_gid(alice, "g")
    registry.set_gid(bob, "g")
    registry.end(bob, Event.STOPPED, 1.0)
    assert registry.by_gid("g") is alice
    registry.end(alice, Event.STOPPED, 1.0)
    assert registry.by_gid("g") is None


def test_a_session_has_one_gid(engine: ModuleType) -> None:
    registry = make_registry(engine)
    alice = registry.create("alice", 0, 0.0)
    registry.set_gid(alice, "old")
    registry.set_gid(alice, "new")
    assert registry.by_gid("old") is None
    assert registry.by_gid("new") is alice


def test_ending_one_of_many_sessions_leaves_no_gid_behind(engine: ModuleType) -> None:
    registry = make_registry(engine)
    for number in range(50):
        session = registry.create("alice", 0, 0.0)
        registry.set_gid(session, f"g{number}")
        registry.end(session, Event.STOPPED, 0.0)
    assert not registry._by_gid


# The end and the memory of it


def test_ending_closes_the_outbox_and_tells_what_was_left_open(engine: ModuleType) -> None:
    registry = make_registry(engine)
    session = registry.create("alice", 0, 0.0)
    for seq in (1, 2, 3):
        session.outbox.accept(seq)
    answer(session, 2)
    assert registry.end(session, Event.STOPPED, 7.0) == 2
    assert session.state is SessionState.CLOSED
    assert session.outbox.closed
    assert registry.by_id(session.id) is None
    assert registry.by_openid("alice") is None


def test_an_ended_session_is_remembered_with_what_its_client_missed(engine: ModuleType) -> None:
    registry = make_registry(engine)
    session = registry.create("alice", 0, 0.0)
    session.outbox.accept(1)
    session.outbox.accept(2)
    answer(session, 1)
    session.outbox.push(notify(engine))
    session.outbox.hold(notify(engine))
    session.outbox.bind(2, True, notify(engine), 99.0)
    session.catch_up.sent(2, 77)
    registry.end(session, Event.EXPIRED, 10.0)
    ended = registry.ended_by_id(session.id, 10.0)
    assert ended is registry.ended_by_openid("alice", 10.0)
    assert ended is not None
    assert (ended.openid, ended.epoch, ended.unanswered, ended.undelivered) == ("alice", session.epoch, 1, 2)
    assert ended.catch_up.unacknowledged == {2: 77}
    assert ended.outbox.missed(0) == (1, 1)


def test_memory_ends_with_the_resume_window(engine: ModuleType) -> None:
    registry = make_registry(engine)
    session = registry.create("alice", 0, 0.0)
    registry.end(session, Event.STOPPED, 10.0)
    assert registry.ended_by_id(session.id, 10.0 + REMEMBER) is not None
    assert registry.ended_by_id(session.id, 10.5 + REMEMBER) is None
    assert registry.ended_by_openid("alice", 10.5 + REMEMBER) is None
    assert registry.remembered == 0
    assert not registry._ended_by_openid


def test_memory_is_bounded_and_the_oldest_goes_first(engine: ModuleType) -> None:
    registry = make_registry(engine, max_ended=3)
    sessions = [registry.create(f"u{number}", 0, 0.0) for number in range(5)]
    for session in sessions:
        registry.end(session, Event.STOPPED, 1.0)
    assert registry.remembered == 3
    assert [registry.ended_by_id(session.id, 1.0) is not None for session in sessions] == [False, False, *[True] * 3]


def test_an_openid_is_remembered_by_its_last_session(engine: ModuleType) -> None:
    registry = make_registry(engine, max_ended=3)
    sessions = []
    for _ in range(6):
        sessions.append(registry.create("alice", 0, 0.0))
        registry.end(sessions[-1], Event.STOPPED, 1.0)
    last = registry.ended_by_openid("alice", 1.0)
    assert last is not None
    assert last.id == sessions[-1].id
    assert registry.ended_by_openid("bob", 1.0) is None


def test_sessions_are_counted_by_state(engine: ModuleType) -> None:
    registry = make_registry(engine)
    alice, bob = registry.create("alice", 0, 0.0), registry.create("bob", 0, 0.0)
    alice.apply(Event.LOGIN_BEGUN, 0.0)
    alice.apply(Event.LOGGED_IN, 0.0)
    assert (
        registry.count(SessionState.INITED),
        registry.count(SessionState.NORMAL),
        registry.count(SessionState.CLOSED),
    ) == (1, 1, 0)
    registry.end(bob, Event.STOPPED, 0.0)
    assert (
        registry.count(SessionState.INITED),
        registry.count(SessionState.NORMAL),
        registry.count(SessionState.CLOSED),
    ) == (0, 1, 0)
