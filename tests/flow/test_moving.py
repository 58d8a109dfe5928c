"""A session that goes on at another gateway: nothing of it is lost or doubled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.backend.errors import BudgetFull
from quicgw_fast.codes import CloseCode, LifecycleKind, LostReason, ResetReason
from quicgw_fast.flow.departures import OutdatedClaim
from quicgw_fast.session import StartClaim, UnreadableSession
from quicgw_fast.store import MemoryStore
from tests.flow.receipts import PENDING, waiting
from tests.flow.slow_store import SlowStore
from tests.flow.street import Pair, Street

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]
    MakePair = Callable[..., Awaitable[Pair]]


def seen(house: House) -> dict[str, float]:
    """What watchers of its events were told."""
    kinds = [kind.name for kind in LifecycleKind if kind is not LifecycleKind.GAP]
    return {kind: house.count("lifecycle_events", kind) for kind in kinds if house.count("lifecycle_events", kind)}


# The step


async def test_a_client_that_comes_back_elsewhere_goes_on(make_pair: MakePair) -> None:
    pair = await make_pair()
    client = await pair.here.online()
    for name in "abc":
        await pair.here.push(content=name)
    pair.move()
    assert client.ended is CloseCode.SUPERSEDED
    again = pair.come_after(client, 2)
    assert (again.texts, again.numbers) == (["b", "c"], [3, 4])
    await pair.there.push(content="d")
    again.call("echo", b"e")
    await pair.there.settle()
    assert (again.texts, again.numbers) == (["b", "c", "d", "200 e"], [3, 4, 5, 6])
    assert pair.here.count("sessions_departed") == pair.there.count("sessions_arrived") == 1


async def test_an_old_client_that_knows_its_number_alone_goes_on_too(make_pair: MakePair) -> None:
    pair = await make_pair()
    client = await pair.here.online()
    await pair.here.push()
    pair.move()
    again = pair.there.connect()
    assert again.start("alice", 1).resumed
    assert again.session.id == client.session.id
    assert again.numbers == [2]


async def test_an_outsider_sees_it_detached_here_and_resumed_there(make_pair: MakePair) -> None:
    pair = await make_pair()
    client = await pair.here.online()
    pair.move()
    pair.come_after(client, 1)
    assert seen(pair.here) == {"ATTACHED": 1, "LOGGED_IN": 1, "DETACHED": 1}
    assert seen(pair.there) == {"RESUMED": 1}


async def test_asked_again_it_gives_the_same_bytes(make_pair: MakePair) -> None:
    pair = await make_pair()
    await pair.here.online()
    departures = pair.here.path.moving.departures
    states = departures.depart(1, openid="alice")
    pair.here.clock.advance(1.0)
    assert departures.depart(1, openid="alice") == states
    (session,) = pair.there.path.moving.arrivals.arrive(states, "here")
    assert departures.depart(1, session_ids=[session.id]) == states
    assert departures.confirm(1, [session.id])
    assert departures.confirm(1, [session.id])  # its answer may be lost, too
    assert departures.depart(2, openid="alice") == []
    assert not departures.confirm(1, ["another"])


async def test_the_newest_claim_gets_it(make_pair: MakePair) -> None:
    pair = await make_pair()
    client = await pair.here.online()
    departures = pair.here.path.moving.departures
    states = departures.depart(5, openid="alice")
    assert departures.depart(7, openid="alice") == states
    with pytest.raises(OutdatedClaim, match="generation 5 is not the newest: 7"):
        departures.depart(5, openid="alice")
    assert not departures.confirm(5, [client.session.id])
    assert departures.confirm(7, [client.session.id])


async def test_all_sessions_of_an_openid_move_or_one(make_pair: MakePair) -> None:
    pair = await make_pair(session={"devices": 2})
    phone, tablet = await pair.here.online(), await pair.here.online()
    departures, arrivals = pair.here.path.moving.departures, pair.there.path.moving.arrivals
    (state,) = departures.depart(1, session_ids=[phone.session.id, "not here"])
    assert phone.ended is CloseCode.SUPERSEDED
    assert tablet.ended is None
    assert len(departures.depart(2, openid="alice")) == 2  # the one that was fetched, too
    sessions = arrivals.arrive(departures.depart(2, openid="alice"), "here")
    assert {session.id for session in sessions} == {phone.session.id, tablet.session.id}
    assert not departures.confirm(1, [phone.session.id])
    assert departures.confirm(2, [session.id for session in sessions])
    assert arrivals.arrive([state], "here") == []
    assert sessions[0].attempts is sessions[1].attempts
    again = pair.come_after(phone, 1)
    await pair.there.push(content="to both")
    assert again.texts == ["to both"]


async def test_who_is_refused_its_confirmation_forgets_the_session(make_pair: MakePair) -> None:
    pair = await make_pair()
    await pair.here.online()
    states = pair.here.path.moving.departures.depart(1, openid="alice")
    arrivals = pair.there.path.moving.arrivals
    (session,) = arrivals.arrive(states, "here")
    arrivals.discard(session)
    assert pair.there.path.registry.by_openid("alice") is None
    assert pair.there.accounts()["responses"]["lost"] == 0
    assert arrivals.arrive(states, "here")


# What nobody takes


async def test_what_nobody_confirms_ends_like_an_expired_session(make_pair: MakePair) -> None:
    store = MemoryStore()
    pair = await make_pair(store=store, session={"resume_window": 10.0})
    here = pair.here
    client = await here.online()
    here.upstream.held.add("slow")
    client.call("slow")
    await here.settle()
    client.link.lose()
    await here.push(content="kept")
    here.path.moving.departures.depart(1, openid="alice")
    await here.pass_time(9.0)
    assert "ENDED" not in seen(here)
    await here.pass_time(2.0)
    assert seen(here)["ENDED"] == 1
    assert here.count("sessions_departed_lapsed") == here.count("in_flight_dropped") == 1
    assert not here.upstream.waiting()
    assert not here.path.moving.departures.confirm(1, [client.session.id])
    accounts = here.accounts()
    assert (accounts["responses"]["lost"], accounts["responses"]["open"]) == (1, 0)
    assert (accounts["notifies"]["stored"], accounts["notifies"]["lost"]) == (1, 0)
    assert here.budget.used == 0
    again = here.connect()
    answer = again.start("alice", 1, client.answer.connection_id, client.answer.epoch)
    assert ResetReason(answer.reset_reason) is ResetReason.EXPIRED
    assert again.answer_headers["gap-unanswered"] == "1"


# Pushes that ask for more


async def test_terms_of_what_waits_go_along(make_pair: MakePair) -> None:
    pair = await make_pair()
    client = pair.here.started()
    await pair.here.push(content="old", supersede_key="k")
    await pair.here.push(content="short", ttl_ms=5000)
    await pair.here.push(content="plain")
    pair.move()
    await pair.there.push(content="new", supersede_key="k")
    await pair.there.pass_time(5.0)
    again = pair.come_after(client, 0)
    again.call("hello")
    await pair.there.settle()
    assert again.texts == ["200 ", "plain", "new"]
    assert pair.there.count("pushes_expired") == pair.there.count("pushes_superseded") == 1
    assert pair.here.count("pushes_expired") == 0


async def test_who_waits_for_an_acknowledgement_is_told_that_nothing_is_known_yet(
    make_pair: MakePair,
) -> None:
    pair = await make_pair()
    client = await pair.here.online()
    push = await waiting(pair.here)
    pair.move()
    await pair.here.settle()
    assert push.told == PENDING
    pair.come_after(client, 2)
    told = await waiting(pair.here, wait_ack_ms=1000)  # and a new one is asked for where the session is
    await pair.there.pass_time(1.0)
    assert told.told == PENDING
    assert told.told[1] is LostReason.NONE


async def test_at_the_end_of_a_gateway_nothing_stays_open(make_pair: MakePair) -> None:
    store = MemoryStore()
    pair = await make_pair(store=store)
    client = await pair.here.online()
    client.link.lose()
    await pair.here.push(content="kept")
    departures = pair.here.path.moving.departures
    departures.depart(1, openid="alice")
    departures.stop()
    await pair.here.settle()
    assert pair.here.accounts()["notifies"]["stored"] == 1
    assert not departures.confirm(1, [client.session.id])


# What an offline store has


async def test_what_a_store_for_both_gave_out_is_known_where_the_session_goes(make_house: MakeHouse) -> None:
    street, shared = Street(), {"offline": {"store": "directory"}, "store": MemoryStore()}
    here = await make_house(elsewhere=street, **shared)
    there = await make_house(elsewhere=street, beside=here, **shared)
    pair = Pair(street, here, there)
    for content in "abc":
        assert (await here.push(content=content)).message == "stored"
    client = here.started()
    client.call("hello")
    await here.settle()
    assert client.texts == ["200 ", "a", "b", "c"]
    client.ack(2)
    await here.settle()
    pair.move()
    again = pair.come_after(client, 2)
    await there.push(content="d")
    await there.settle()
    assert (again.texts, again.numbers) == (["b", "c", "d"], [3, 4, 5]), "each under its number, and none twice"
    again.ack(5)
    await there.settle()
    assert await shared["store"].load("alice", there.clock.wall) == []
    for house in (here, there):
        account = house.accounts()["notifies"]
        assert account["accepted"] == account["delivered"] + account["lost"] + account["open"] + account["stored"]


# What holds for it


async def test_what_holds_for_a_session_goes_along(make_pair: MakePair) -> None:
    limits = {"messages_per_second": 1.0, "message_burst": 5}
    pair = await make_pair(limits=limits, session={"resume_window": 100.0})
    client = pair.here.started("alice", attempt=3)
    client.call("hello")
    await pair.here.settle()
    old = client.session
    old.attempts.note(_claim(client, 4))
    old.expires_at = 1_900_000_000.0
    for _ in range(4):
        client.call("echo")
    await pair.here.settle()
    client.link.lose()
    await pair.here.pass_time(2.0)
    pair.move()
    new = pair.there.path.registry.by_id(old.id)
    assert new is not None
    assert (new.expires_at, new.since, new.peer, new.told_interval) == (
        old.expires_at, old.since, old.peer, old.told_interval,
    )  # fmt: skip
    assert new.detached_at == pytest.approx(pair.there.clock.now - 2.0)
    assert new.last_activity == pytest.approx(old.last_activity)
    assert new.attempts.outdated(_claim(client, 4))
    assert not new.attempts.outdated(_claim(client, 5))
    assert [entry[2:] for entry in new.trail or ()] == [entry[2:] for entry in old.trail or ()]
    assert [entry[0] for entry in new.trail or ()] == pytest.approx([entry[0] for entry in old.trail or ()])
    again = pair.come_after(client, 5)
    for _ in range(4):
        again.call("echo")
    await pair.there.settle()
    assert sorted(again.texts) == ["200 ", "200 ", "error 429", "error 429"]  # of five a second, two came since


def _claim(client: Client, attempt: int) -> StartClaim:
    return StartClaim("alice", 0, client.answer.connection_id, client.answer.epoch, attempt)


async def test_the_resume_window_goes_on(make_pair: MakePair) -> None:
    pair = await make_pair(session={"resume_window": 10.0})
    client = await pair.here.online()
    client.link.lose()
    await pair.here.pass_time(8.0)
    pair.move()
    await pair.there.pass_time(3.0)
    assert pair.there.path.registry.by_openid("alice") is None
    assert pair.there.count("sessions_expired") == 1


async def test_one_that_overflowed_moves_with_its_report(make_pair: MakePair) -> None:
    pair = await make_pair(session={"window_messages": 4})
    client = await pair.here.online()
    client.link.lose()
    for _ in range(5):
        await pair.here.broadcast()
    pair.move()
    again = pair.there.connect()
    answer = again.start("alice", 1, client.answer.connection_id, client.answer.epoch)
    assert ResetReason(answer.reset_reason) is ResetReason.OVERFLOW
    headers = again.answer_headers
    assert (headers["gap-from"], headers["gap-to"], headers["gap-notifies"]) == ("2", "5", "5")


async def test_what_is_held_behind_an_old_store_waits_for_the_new_one(make_house: MakeHouse) -> None:
    """Each gateway has a store of its own. What the old one did not send yet stays there, until a login there."""
    old, street = SlowStore(), Street()
    here = await make_house(elsewhere=street, store=old)
    there = await make_house(elsewhere=street, beside=here, store=MemoryStore())
    pair = Pair(street, here, there)
    await here.push(content="stored here")
    await there.push(content="stored there")
    old.failing.add("load")
    client = here.started()
    client.call("hello")
    await here.settle()
    assert (await here.push(content="held")).message == "cached"
    pair.move()
    again = pair.come_after(client, 0)
    await there.settle()
    assert again.texts == ["200 ", "stored there", "held"]


# What cannot come in


async def test_where_there_is_no_room_nothing_is_taken(make_house: MakeHouse) -> None:
    here = await make_house()
    there = await make_house(session={"memory": "16KiB", "window_bytes": "16KiB"})
    for openid in ("alice", "bob"):
        await here.online(openid)
    for _ in range(20):
        await here.push("bob", "x" * 1000)
    departures = here.path.moving.departures
    states = departures.depart(1, openid="alice") + departures.depart(1, openid="bob")
    with pytest.raises(BudgetFull):
        there.path.moving.arrivals.arrive(states, "here")
    assert (len(there.path.registry), there.budget.used) == (0, 0)


async def test_a_session_that_is_here_does_not_come_a_second_time(make_pair: MakePair) -> None:
    pair = await make_pair()
    await pair.here.online()
    states = pair.here.path.moving.departures.depart(1, openid="alice")
    pair.there.path.moving.arrivals.arrive(states, "here")
    assert pair.there.path.moving.arrivals.arrive(states, "here") == []
    assert len(pair.there.path.registry) == 1


async def test_what_cannot_be_read_is_refused(house: House) -> None:
    with pytest.raises(UnreadableSession, match="are no session"):
        house.path.moving.arrivals.arrive([b"\xff\xff"], "here")
