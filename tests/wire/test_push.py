"""Protocol §4: what a notify looks like, where it goes, and what its sender is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire

if TYPE_CHECKING:
    from tests.support.world import World, WorldMaker


async def test_a_notify_is_business_data_without_msg_id(world: World) -> None:
    client = await world.online("alice")
    reply = await world.pusher.push(
        "alice",
        data=b"\x00\xff",
        msg_type="mail",
        title="A letter",
        content="for you",
        metadata={"k": "v", "empty": ""},
    )
    assert reply.success
    assert not reply.error_code
    push = await client.wait_for(lambda push: push.seq_id == 2)
    assert (push.type, push.msg_id) == (pb.PUSH_BUSINESS_DATA, 0)
    body = wire.business(push)
    assert (body.code, body.message, body.data) == (200, "[mail] A letter", b"\x00\xff")
    assert dict(push.headers) == {
        "k": "v",
        "empty": "",
        "notify-type": "mail",
        "notify-title": "A letter",
        "notify-content": "for you",
    }


async def test_the_content_stands_in_for_empty_data(world: World) -> None:
    client = await world.online("alice")
    await world.pusher.push("alice", content="größer")
    await world.pusher.broadcast(content="für alle")
    first, second = await client.wait_count(2, wire.is_notify)
    assert wire.business(first).data.decode() == "größer"
    assert wire.business(second).data.decode() == "für alle"


async def test_a_broadcast_looks_like_a_notify(world: World) -> None:
    client = await world.online("alice")
    await world.pusher.broadcast(b"all", content="c", msg_type="sys", title="t", metadata={"k": "v"})
    push = await client.wait_for(wire.is_notify)
    body = wire.business(push)
    assert (body.code, body.message, body.data) == (200, "[sys] t", b"all")
    headers = {"k": "v", "notify-type": "sys", "notify-title": "t", "notify-content": "c"}
    assert (push.seq_id, dict(push.headers)) == (2, headers)


async def test_a_session_is_found_by_its_id_and_by_its_openid(world: World) -> None:
    client = await world.online("alice")
    other = await world.online("bob")
    assert client.started is not None
    assert (await world.pusher.push(client.started.connection_id, by="session", data=b"1")).success
    assert (await world.pusher.push("alice", by="openid", data=b"2")).success
    assert [wire.business(push).data for push in await client.wait_count(2, wire.is_notify)] == [b"1", b"2"]
    assert not other.notifies


@pytest.mark.parametrize("hint", [0, 1, 2])
@pytest.mark.parametrize("kind", ["session", "openid", "gid"])
async def test_an_unknown_target_is_told(world: World, kind: str, hint: int) -> None:
    await world.online("alice")
    for target in ("nobody", ""):
        reply = await world.pusher.push(target, by=kind, hint=hint, bind=hint)
        assert (reply.success, reply.error_code) == (False, "TARGET_NOT_FOUND")


@pytest.mark.parametrize("kind", ["", "user", "Session", "OPENID"])
async def test_an_unknown_target_type_is_told(world: World, kind: str) -> None:
    await world.online("alice")
    reply = await world.pusher.push("alice", by=kind)
    assert (reply.success, reply.error_code) == (False, "BAD_TARGET")


async def test_a_push_to_a_detached_session_is_retained(world: World) -> None:
    client = await world.online("alice")
    client.abandon()
    for n in range(3):
        assert (await world.pusher.push("alice", data=b"%d" % n)).success
    again = await world.resumed(client, 1)
    await again.wait_count(3)
    again.assert_gap_free(2)
    assert [wire.business(push).data for push in again.notifies] == [b"0", b"1", b"2"]


async def test_a_push_larger_than_a_frame_is_refused_and_disturbs_nothing(world: World) -> None:
    client = await world.online("alice")
    for hint, bind in ((0, 0), (1, 2), (2, 2)):
        reply = await world.pusher.push("alice", data=bytes(wire.MAX_BODY), hint=hint, bind=bind)
        assert not reply.success
        assert reply.error_code
    assert (await world.pusher.broadcast(bytes(wire.MAX_BODY))).sent_count == 0
    assert (await world.pusher.push("alice", data=bytes(wire.MAX_BODY - 1000))).success
    await client.wait_count(2, within=20)
    client.assert_gap_free()
    assert client.closed is None


async def test_a_broadcast_reaches_every_logged_in_session_attached_or_not(world: World) -> None:
    online = [await world.online(f"online-{n}") for n in range(3)]
    detached = await world.online("detached")
    detached.abandon()
    inited = await world.started("inited")
    reply = await world.pusher.broadcast(b"all")
    assert reply.sent_count == 4
    for client in online:
        push = await client.wait_for(wire.is_notify)
        assert (push.seq_id, wire.business(push).data) == (2, b"all")
    again = await world.resumed(detached, 1)
    assert wire.business(await again.wait_for(wire.is_notify)).data == b"all"
    await inited.hello()
    assert not inited.notifies


async def test_a_broadcast_to_nobody_counts_nobody(world: World) -> None:
    assert (await world.pusher.broadcast(b"all")).sent_count == 0


async def test_a_stopped_session_is_no_target(world: World) -> None:
    client = await world.online("alice")
    assert client.started is not None
    session = client.started.connection_id
    client.stop()
    await client.wait_closed()
    for kind, target in (("session", session), ("openid", "alice")):
        assert (await world.pusher.push(target, by=kind)).error_code == "TARGET_NOT_FOUND"
    assert (await world.pusher.broadcast(b"all")).sent_count == 0


async def test_a_replaced_session_is_no_target_any_more(world: World) -> None:
    old = await world.online("alice")
    new = await world.online("alice")
    assert old.started is not None
    assert (await world.pusher.push(old.started.connection_id, by="session")).error_code == "TARGET_NOT_FOUND"
    assert (await world.pusher.push("alice", data=b"new")).success
    await new.wait_for(wire.is_notify)


async def test_pushes_of_one_sender_keep_their_order(world: World) -> None:
    client = await world.online("alice")
    for n in range(200):
        assert (await world.pusher.push("alice", data=b"%d" % n)).success
    notifies = await client.wait_count(200, wire.is_notify)
    assert [wire.business(push).data for push in notifies] == [b"%d" % n for n in range(200)]
    client.assert_gap_free()


# ---- with an offline store


async def test_with_a_store_a_push_to_somebody_away_is_stored_and_delivered_at_login(make_world: WorldMaker) -> None:
    world = await make_world(offline={"store": "memory"})
    for n in range(3):
        reply = await world.pusher.push("alice", data=b"%d" % n)
        assert reply.success
        assert "stored" in reply.message
    client = await world.started("alice")
    assert not client.numbered
    await client.hello()
    await client.wait_count(4)
    client.assert_gap_free()
    assert [wire.business(push).data for push in client.notifies] == [b"0", b"1", b"2"]


async def test_a_store_keeps_nothing_for_unknown_sessions_gids_or_bound_notifies(make_world: WorldMaker) -> None:
    world = await make_world(offline={"store": "memory"})
    for kind in ("session", "gid"):
        assert (await world.pusher.push("alice", by=kind)).error_code == "TARGET_NOT_FOUND"


async def test_what_was_stored_and_not_acknowledged_comes_again(make_world: WorldMaker) -> None:
    world = await make_world(offline={"store": "memory"})
    assert (await world.pusher.push("alice", data=b"kept")).success
    first = await world.online("alice")
    await first.wait_for(wire.is_notify)
    second = await world.online("alice")  # a fresh start without an acknowledgement
    await second.wait_for(wire.is_notify)
    second.ack(2)
    await second.reply(second.heartbeat())
    third = await world.online("alice")
    await third.call("echo")
    assert not third.notifies
