"""Groups of sessions and presence (protocol §4): who is a member, and what a push to a group comes to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode, ResetReason
from quicgw_fast.flow import to_many
from quicgw_fast.proto import client_pb2
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.session import MOST_OF_A_SESSION
from quicgw_fast.store import MemoryStore
from tests.flow.grouping import join, leave, members, page, push_to
from tests.support.wire import business

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]


# Who is a member


async def test_a_session_joins_by_its_openid_or_its_id_and_leaves(house: House) -> None:
    alice, _ = await house.online("alice"), await house.online("bob")
    told = await join(house, "bob")
    assert (told.success, told.message, told.sessions) == (True, "joined", 1)
    assert (await join(house, alice.session.id, kind="session")).success
    assert await members(house) == ["bob", "alice"], "in the order in which they joined"
    told = await leave(house, alice.session.id, kind="session")
    assert (told.success, told.message, told.sessions) == (True, "left", 1)
    told = await leave(house, "alice")
    assert (told.success, told.message, told.sessions) == (True, "not a member", 0)
    assert await members(house) == ["bob"]
    assert (house.count("group_joins"), house.count("group_leaves")) == (2, 1)
    assert (house.count("groups"), house.count("group_memberships")) == (1, 1)


@pytest.mark.parametrize("call", [join, leave])
async def test_a_target_that_is_none_is_refused(house: House, call: Callable[..., Awaitable[pb.GroupResponse]]) -> None:
    told = await call(house, "nobody")
    assert (told.success, told.error_code, told.sessions) == (False, "TARGET_NOT_FOUND", 0)
    assert "'nobody'" in told.message
    told = await call(house, "g1", kind="gid")
    assert (told.success, told.error_code) == (False, "BAD_TARGET")
    assert "session, openid" in told.message


@pytest.mark.parametrize(("name", "why"), [("", "empty"), ("ä" * 65, "128 bytes"), ("a\nb", "printable")])
async def test_a_name_is_printable_and_not_too_long(house: House, name: str, why: str) -> None:
    await house.online()
    for answer in (
        await join(house, "alice", name),
        await leave(house, "alice", name),
        await push_to(house, name),
        await page(house, name),
    ):
        assert (answer.success, answer.error_code) == (False, "BAD_GROUP")
        assert why in answer.message
    assert (await join(house, "alice", "ä" * 64)).success


async def test_a_membership_ends_by_itself_and_joining_again_gives_it_another_time(house: House) -> None:
    client = await house.online()
    await join(house, "alice", ttl=10)
    await house.pass_time(9)
    assert (await page(house)).members[0].left_ms == 1000
    await join(house, "alice", ttl=10)
    await house.pass_time(9.999)
    assert await members(house) == ["alice"]
    house.clock.advance(0.001)  # nobody has looked yet
    assert await members(house) == []
    told = await push_to(house)
    assert (told.success, told.sent_count, told.member_count) == (True, 0, 0)
    assert client.session.groups == {"g": house.clock.now}
    await house.pass_time(10)
    assert client.session.groups == {}
    assert house.count("group_memberships") == 0


async def test_joining_again_without_a_time_has_it_stay(house: House) -> None:
    await house.online()
    await join(house, "alice", ttl=1)
    await join(house, "alice")
    await house.pass_time(100)
    assert await members(house) == ["alice"]
    assert (await page(house)).members[0].left_ms == 0


async def test_groups_survive_a_resume_and_end_with_the_session(house: House) -> None:
    client = await house.online()
    await join(house, "alice")
    client.link.lose()
    assert [(m.openid, m.attached) for m in (await page(house)).members] == [("alice", False)]
    again = house.back(client, client.session.outbox.last_seq)
    assert again.answer.resumed
    assert [(m.openid, m.attached) for m in (await page(house)).members] == [("alice", True)]
    fresh = house.started()
    assert fresh.answer.connection_id != client.answer.connection_id
    assert await members(house) == []
    await join(house, "alice")
    fresh.link.lose()
    await house.pass_time(house.config.session.resume_window + 1)
    assert await members(house) == []
    assert (house.count("groups"), house.count("group_memberships")) == (0, 0)


async def test_a_session_may_be_in_so_many_groups(house: House) -> None:
    await house.online()
    await join(house, "alice", "short", ttl=1)
    assert all([(await join(house, "alice", f"g{number}")).success for number in range(MOST_OF_A_SESSION - 1)])
    told = await join(house, "alice", "one more")
    assert (told.success, told.error_code) == (False, "GROUP_LIMIT")
    assert (await join(house, "alice", "g0", ttl=5)).success, "it is there already"
    house.clock.advance(1)
    assert (await join(house, "alice", "one more")).success, "another one is over"


async def test_memberships_are_bounded_in_all(make_house: MakeHouse) -> None:
    house = await make_house(push={"group_memberships": 2})
    for openid in ("alice", "bob", "carol"):
        await house.online(openid)
    assert (await join(house, "alice")).success
    assert (await join(house, "bob")).success
    told = await join(house, "carol")
    assert (told.success, told.error_code) == (False, "GROUP_LIMIT")
    assert "push.group_memberships" in told.message
    assert (await join(house, "bob")).success
    await leave(house, "alice")
    assert (await join(house, "carol")).success


async def test_members_come_in_pages(house: House) -> None:
    names = [f"u{number}" for number in range(7)]
    for name in names:
        await house.online(name)
        await join(house, name)
    first = await page(house, limit=3)
    await leave(house, "u1")
    await leave(house, "u3")
    second = await page(house, limit=3, cursor=first.next)
    assert [m.openid for m in first.members] == names[:3]
    assert [m.openid for m in second.members] == ["u4", "u5", "u6"]
    assert (first.next != "", second.next) == (True, "")
    told = await page(house, cursor="x")
    assert (told.success, told.error_code) == (False, "BAD_OPTIONS")
    assert not (await page(house, "nobody is in it")).members


# Pushes


async def test_a_push_reaches_each_member_once(house: House) -> None:
    clients = {name: await house.online(name) for name in ("alice", "bob", "carol")}
    for name in ("alice", "bob"):
        await join(house, name)
    told = await push_to(house, content="hi", metadata={"k": "v"})
    assert (told.success, told.message, told.sent_count, told.member_count) == (True, "sent", 2, 2)
    assert told.pending_bytes == 2 * told.most_pending_bytes > 0
    assert [client.texts for client in clients.values()] == [["hi"], ["hi"], []]
    (push,) = clients["bob"].numbered
    assert (push.msg_id, push.type) == (0, client_pb2.PUSH_BUSINESS_DATA)
    assert business(push) == client_pb2.BusinessResponse(code=200, message="[t] x", data=b"hi")
    named = {"notify-type": "t", "notify-title": "x", "notify-content": "hi", "notify-group": "g"}
    assert dict(push.headers) == {"k": "v", **named}
    assert (house.count("group_pushes"), house.count("notifies")) == (1, 2)
    events = list(clients["bob"].session.trail or ())
    assert [(event[2].value, event[6]) for event in events][-1] == ("group", "g")


async def test_who_is_away_has_it_retained(house: House) -> None:
    client = await house.online()
    await join(house, "alice")
    client.link.lose()
    told = await push_to(house, content="while away")
    assert (told.sent_count, told.member_count) == (1, 1)
    assert house.back(client, 1).texts == ["while away"]


async def test_who_is_not_logged_in_has_it_kept_until_then(house: House) -> None:
    client = house.started()
    await join(house, "alice")
    told = await push_to(house, content="first")
    assert (told.sent_count, told.member_count) == (1, 1)
    await house.push(content="second")
    await push_to(house, content="third")
    assert not client.numbered
    client.call("hello")
    await house.settle()
    assert client.texts == ["200 ", "first", "second", "third"]
    assert [event[2].value for event in client.session.trail or ()].count("group") == 2


async def test_who_has_no_room_for_it_overflows(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_messages": 2})
    clients = [await house.online(name) for name in ("alice", "bob")]
    waiting = house.started("carol")
    for name in ("alice", "bob", "carol"):
        await join(house, name)
    for _ in range(2):
        assert (await push_to(house)).sent_count == 3
        clients[0].ack(clients[0].numbers[-1])
    told = await push_to(house)
    assert (told.success, told.sent_count, told.member_count) == (True, 1, 3)
    assert (clients[0].ended, clients[1].ended, waiting.ended) == (None, *[CloseCode.SLOW_CONSUMER] * 2)
    assert (await push_to(house)).sent_count == 1
    again = house.back(clients[1], clients[1].numbers[-1])
    assert again.answer.reset_reason == ResetReason.OVERFLOW
    assert await members(house) == ["alice", "carol"]


async def test_it_is_refused_where_it_cannot_be_sent_at_all(house: House) -> None:
    client = await house.online()
    await join(house, "alice")
    told = await push_to(house, data=b"x" * (1 << 20))
    assert (told.success, told.error_code, told.sent_count) == (False, "MESSAGE_TOO_LARGE", 0)
    client.link.lose()
    house.path.draining.active = True
    told = await push_to(house)
    assert (told.success, told.error_code) == (False, "DRAINING")
    assert house.count("group_pushes_refused") == 2
    house.back(client, 1)
    assert (await push_to(house, "empty")).success


async def test_a_gateway_that_stops_sends_to_those_who_are_there(house: House) -> None:
    client, away = await house.online("alice"), await house.online("bob")
    await join(house, "alice")
    await join(house, "bob")
    away.link.lose()
    house.path.draining.active = True
    told = await push_to(house)
    assert (told.success, told.sent_count, told.member_count) == (True, 1, 2)
    assert client.texts == ["n"]


async def test_the_same_key_is_sent_once(house: House) -> None:
    client = await house.online()
    await join(house, "alice")
    first, second = [await push_to(house, content="once", idempotency_key="k") for _ in range(2)]
    assert first == second
    assert client.texts == ["once"]
    assert house.count("group_pushes_repeated") == 1
    told = await push_to(house, content="other", idempotency_key="k")
    assert (told.success, told.error_code) == (False, "IDEMPOTENCY_CONFLICT")
    assert (await push_to(house, "h", content="other", idempotency_key="k")).success, "keys are those of a group"
    told = await push_to(house, idempotency_key="k" * 129)
    assert (told.success, told.error_code) == (False, "BAD_OPTIONS")


async def test_pushes_and_broadcasts_come_to_all_in_one_order(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(to_many, "SLICE", 1)
    clients = [await house.online(f"u{number}") for number in range(5)]
    for number in range(5):
        await join(house, f"u{number}")
        await join(house, f"u{number}", "h")
    calls = [
        push_to(house, content="g1"),
        house.broadcast("b1"),
        push_to(house, "h", "h1"),
        push_to(house, content="g2"),
    ]
    await asyncio.gather(*calls)
    assert [client.texts for client in clients] == [["g1", "b1", "h1", "g2"]] * 5


async def test_who_leaves_while_it_is_sent_does_not_get_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(to_many, "SLICE", 1)
    clients = [await house.online(f"u{number}") for number in range(3)]
    for number in range(3):
        await join(house, f"u{number}")
    push = asyncio.create_task(push_to(house))
    await asyncio.sleep(0)
    assert (await leave(house, "u2")).sessions == 1
    told = await push
    assert (told.sent_count, told.member_count) == (2, 3)
    assert [client.texts for client in clients] == [["n"], ["n"], []]


async def test_what_is_older_goes_first_to_all_kinds_of_pushes_to_many(make_house: MakeHouse) -> None:
    house = await make_house(store=MemoryStore(), session={"window_messages": 4}, offline={"store": "memory"})
    for number in range(6):
        assert (await house.push(content=f"stored {number}")).message == "stored"
    client = house.started()
    await join(house, "alice")
    await push_to(house, content="g1")
    client.call("hello")
    await house.settle()
    assert client.session.catch_up.behind
    await house.broadcast("b1")
    await push_to(house, content="g2")
    while len(client.texts) < 10:
        client.ack(client.numbers[-1])
        await house.settle()
    assert client.texts == ["200 ", *(f"stored {number}" for number in range(6)), "g1", "b1", "g2"]


# Presence


async def test_the_sessions_of_an_openid(house: House) -> None:
    async def told() -> list[pb.SessionPresence]:
        return list((await house.path.services.presence.sessions_of(pb.SessionsOfRequest(openid="alice"))).sessions)

    assert await told() == []
    client = house.started()
    began = house.clock.wall
    (there,) = await told()
    assert there == pb.SessionPresence(
        session_id=client.session.id, attached=True, since=began, address=client.link.peer
    )
    house.upstream.answers["hello"] = pb.UpstreamResponse(code=200, headers={"zone": "3", "gid": "g1"})
    client.call("hello")
    await house.settle()
    await join(house, "alice", "b")
    await join(house, "alice", "a", ttl=5)
    await house.pass_time(5)
    client.link.lose()
    await house.pass_time(1)
    (there,) = await told()
    assert (there.logged_in, there.attached, there.zone, there.gid) == (True, False, "3", "g1")
    assert (there.since, there.detached_since) == (began, pytest.approx(began + 5))
    assert list(there.groups) == ["b"]
    house.clock.advance(house.config.session.resume_window)
    assert await told() == []


async def test_all_devices_of_an_openid_join_and_are_told_of(make_house: MakeHouse) -> None:
    house = await make_house(session={"devices": 2})
    clients = [await house.online() for _ in range(2)]
    assert (await join(house, "alice")).sessions == 2
    told = await push_to(house)
    assert (told.sent_count, told.member_count) == (2, 2)
    assert [client.texts for client in clients] == [["n"], ["n"]]
    assert (await leave(house, clients[0].session.id, kind="session")).sessions == 1
    sessions = (await house.path.services.presence.sessions_of(pb.SessionsOfRequest(openid="alice"))).sessions
    by_id = {session.session_id: list(session.groups) for session in sessions}
    assert by_id == {clients[0].session.id: [], clients[1].session.id: ["g"]}
