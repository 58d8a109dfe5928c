"""Which sessions an openid has, who gives way to one more, and whom a START means (protocol §2, "Devices")."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import ResetReason
from quicgw_fast.session import NEWEST, DevicePolicy, Event, StartClaim, decide
from quicgw_fast.session.claim import REMEMBERED_EPOCHS
from tests.session.making import Nowhere, make_registry

if TYPE_CHECKING:
    from types import ModuleType

    from quicgw_fast.session import Registry, Session

REFUSE, THREE = DevicePolicy.of("refuse"), DevicePolicy.of(3)


class Gone(Nowhere):
    """A connection that is closed and about to go."""

    closed = True


def registry(engine: ModuleType, policy: DevicePolicy) -> Registry:
    made = make_registry(engine)
    made.devices.policy = policy
    return made


def device(registry: Registry, link: Nowhere | None = None, *, attached: bool = True) -> Session:
    session = registry.create("alice", 0, 0.0)
    if attached:
        session.attach(link or Nowhere(), 0, 0.0)  # type: ignore[arg-type]
        registry.devices.attached(session)
    return session


def test_policies_as_they_are_written() -> None:
    assert DevicePolicy.of("newest") == DevicePolicy.of(1) == NEWEST
    assert (REFUSE.most, REFUSE.refuses) == (1, True)
    assert (THREE.most, THREE.refuses) == (3, False)
    assert [policy.numbers_suffice for policy in (NEWEST, REFUSE, THREE)] == [True, True, False]


def test_they_are_in_the_order_in_which_clients_attached_last(engine: ModuleType) -> None:
    house = registry(engine, THREE)
    first, second, third = (device(house) for _ in range(3))
    assert house.devices.of("alice") == (first, second, third)
    assert house.devices.of("bob") == ()
    house.devices.attached(first)
    assert house.devices.of("alice") == (second, third, first)
    assert house.by_openid("alice") is first
    house.end(third, Event.STOPPED, 1.0)
    assert house.devices.of("alice") == (second, first)
    for session in (first, second):
        house.end(session, Event.STOPPED, 1.0)
    assert house.devices.of("alice") == ()
    assert not house.devices._of


def test_there_are_not_more_than_may_be(engine: ModuleType) -> None:
    house = registry(engine, THREE)
    for _ in range(3):
        device(house)
    with pytest.raises(ValueError, match="as many live sessions"):
        device(house)
    assert len(house) == len(house.devices.of("alice")) == 3


def test_who_goes_for_one_more(engine: ModuleType) -> None:
    house = registry(engine, THREE)
    first = device(house)
    assert house.devices.leaving("alice", None) == []
    second, third = device(house), device(house)
    assert house.devices.leaving("alice", None) == [first]
    assert house.devices.leaving("alice", third) == [third], "who follows another one takes nobody else's place"
    house.devices.attached(first)
    assert house.devices.leaving("alice", None) == [second]
    third.apply(Event.DETACHED, 1.0)
    assert house.devices.leaving("alice", None) == [third], "no client is sent away for one that is not there"


def test_fewer_places_send_nobody_away_until_somebody_comes(engine: ModuleType) -> None:
    house = registry(engine, THREE)
    first, second, third = (device(house) for _ in range(3))
    house.devices.policy = DevicePolicy.of(2)
    assert house.devices.of("alice") == (first, second, third)
    assert house.devices.leaving("alice", None) == [first, second]
    assert house.devices.leaving("alice", second) == [second, first]
    house.devices.policy = NEWEST
    assert house.devices.leaving("alice", None) == [first, second, third]
    assert house.devices.meant(StartClaim("alice", 5)) is None, "nobody can tell which one"


@pytest.mark.parametrize("policy", [NEWEST, REFUSE])
def test_where_there_is_one_a_number_means_it(engine: ModuleType, policy: DevicePolicy) -> None:
    house = registry(engine, policy)
    session = device(house)
    session.outbox.ack(0)
    assert house.devices.meant(StartClaim("alice", 5)) is session
    assert house.devices.meant(StartClaim("alice", 5, "f" * 32)) is None
    assert house.devices.meant(StartClaim("bob", 5)) is None


def test_where_there_may_be_several_a_session_has_to_be_named(engine: ModuleType) -> None:
    house = registry(engine, THREE)
    first = device(house)
    assert decide(StartClaim("alice", 0, first.id), house, 1.0).resume is first
    assert house.devices.meant(StartClaim("alice", 5, "", first.epoch)) is first, "an epoch is one session's, too"
    verdict = decide(StartClaim("alice", 0 + 1), house, 1.0)
    assert (verdict.reason, verdict.lost, verdict.instead_of) == (ResetReason.UNKNOWN_SESSION, None, None)
    house.end(first, Event.STOPPED, 1.0)
    assert decide(StartClaim("alice", 1), house, 1.0).reason is ResetReason.UNKNOWN_SESSION
    assert decide(StartClaim("alice", 1, first.id), house, 1.0).reason is ResetReason.EXPIRED


def test_a_named_session_is_followed_by_its_own_client_alone(engine: ModuleType) -> None:
    house = registry(engine, THREE)
    first, second = device(house), device(house)
    for claim in (StartClaim("alice", 99, first.id, first.epoch), StartClaim("alice", 0, first.id, "another")):
        assert decide(claim, house, 1.0).instead_of is first
    assert decide(StartClaim("alice"), house, 1.0).instead_of is None
    assert decide(StartClaim("bob", 3, second.id, second.epoch), house, 1.0).instead_of is None


# "refuse"


def test_who_is_online_elsewhere(engine: ModuleType) -> None:
    house = registry(engine, REFUSE)
    another = StartClaim("alice")
    assert not house.devices.online_elsewhere(another)
    session = device(house)
    own = [
        StartClaim("alice", 3, session.id),
        StartClaim("alice", 0, session.id, "x"),
        StartClaim("alice", 3, "", session.epoch),
    ]
    others = [another, StartClaim("alice", 3), StartClaim("alice", 3, "f" * 32), StartClaim("alice", 3, "", "x")]
    assert [house.devices.online_elsewhere(claim) for claim in own] == [False] * 3
    assert [house.devices.online_elsewhere(claim) for claim in others] == [True] * 4
    assert not house.devices.online_elsewhere(StartClaim("bob"))
    session.apply(Event.DETACHED, 1.0)
    assert not house.devices.online_elsewhere(another)
    session.attach(Gone(), 0, 2.0)  # type: ignore[arg-type]
    assert not house.devices.online_elsewhere(another), "its connection is about to go"


@pytest.mark.parametrize("policy", [NEWEST, THREE])
def test_others_refuse_nobody(engine: ModuleType, policy: DevicePolicy) -> None:
    house = registry(engine, policy)
    device(house)
    assert not house.devices.online_elsewhere(StartClaim("alice"))


# Attempts (protocol §2)


def test_devices_share_what_is_known_of_attempts(engine: ModuleType) -> None:
    house = registry(engine, THREE)
    sessions = [device(house) for _ in range(3)]
    for session in sessions:
        session.attempts.note(StartClaim("alice", 0, session.id, session.epoch, attempt=5))
    for session in sessions:
        assert house.attempts("alice", 1.0).outdated(StartClaim("alice", 0, session.id, session.epoch, attempt=4))
    house.end(sessions[2], Event.STOPPED, 1.0)
    gone = sessions[2]
    assert house.attempts("alice", 1.0).outdated(StartClaim("alice", 0, gone.id, gone.epoch, attempt=5))


def test_they_remember_as_many_epochs_as_they_would_alone(engine: ModuleType) -> None:
    house = registry(engine, THREE)
    session = device(house)
    for number in range(3 * REMEMBERED_EPOCHS):
        session.attempts.note(StartClaim("alice", 0, "", f"e{number}", attempt=1))
    assert session.attempts.outdated(StartClaim("alice", 0, "", "e0", attempt=1))
    session.attempts.note(StartClaim("alice", 0, "", "one more", attempt=1))
    assert not session.attempts.outdated(StartClaim("alice", 0, "", "e0", attempt=1))


def test_whose_client_is_the_same() -> None:
    mine = StartClaim("alice", 3, "s1", "e1", attempt=1)
    assert mine.same_client(StartClaim("alice", 0, "s1", "e2"))
    assert StartClaim("alice", 3, "", "e1").same_client(mine)
    assert not mine.same_client(StartClaim("alice"))
    assert not StartClaim("alice").same_client(StartClaim("alice"))
