"""A client that comes to another node goes on as if it had been there before (protocol §2, several gateways)."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.cli.asking import AdminPages
from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.service import Request, Service
from tests.support import wire
from tests.support.raw_upstream import RawUpstream

if TYPE_CHECKING:
    from tests.joining.nodes import Nodes


async def test_a_session_goes_on_at_another_node(nodes: Nodes) -> None:
    first = await nodes.online(0, "alice")
    assert first.started is not None
    for _ in range(3):
        await first.call("echo")
    last = first.last_seq
    second = await nodes.client(1)
    answer = await second.start("alice", "", last, first.started.connection_id, first.started.epoch)
    assert (answer.success, answer.resumed) == (True, True)
    assert (answer.epoch, answer.max_client_seq) == (first.started.epoch, 4)
    assert (await first.wait_closed()).code == CloseCode.SUPERSEDED
    second.next_seq = 5
    assert wire.business(reply := await second.call("echo")).code == 200
    assert reply.seq_id == last + 1


async def test_what_was_not_acknowledged_is_sent_by_the_other_node(nodes: Nodes) -> None:
    first = await nodes.online(0, "alice")
    assert first.started is not None
    for _ in range(3):
        await first.call("echo")
    second = await nodes.client(1)
    assert (await second.start("alice", "", 1, first.started.connection_id, first.started.epoch)).resumed
    await second.wait_count(3)
    assert [push.seq_id for push in second.numbered] == [2, 3, 4]


async def test_a_start_that_was_late_takes_nothing_from_a_newer_one_elsewhere(nodes: Nodes) -> None:
    first = await nodes.online(0, "alice")
    assert first.started is not None
    named = first.started.connection_id, first.started.epoch
    second = await nodes.client(1)
    assert (await second.start("alice", "", 1, *named, attempt=2)).resumed
    second.next_seq = 2
    late = await nodes.client(0)
    refused = await late.start("alice", "", 1, *named, attempt=1)
    assert refused.error.error_message == "superseded"
    assert (await late.wait_closed()).code == CloseCode.SUPERSEDED
    assert wire.business(await second.call("echo")).code == 200
    newer = await nodes.client(0)
    assert (await newer.start("alice", "", 1, *named, attempt=3)).resumed


async def test_a_request_under_way_is_answered_at_the_other_node(nodes: Nodes) -> None:
    gate = nodes.service.hold("slow")
    first = await nodes.online(0, "alice")
    assert first.started is not None
    message = first.business("slow")
    await nodes.service.wait_requests(1, "slow")
    second = await nodes.client(1)
    assert (await second.start("alice", "", 1, first.started.connection_id, first.started.epoch)).resumed
    gate.open()
    assert wire.business(await second.reply(message)).code == 200
    assert nodes.count(0, "replies_handed_on") == 1
    assert nodes.count(1, "replies_from_elsewhere") == 1


async def test_a_push_to_who_left_and_ended_elsewhere_is_answered_at_once(nodes: Nodes) -> None:
    first = await nodes.online(0, "alice")
    assert first.started is not None
    second = await nodes.client(1)
    assert (await second.start("alice", "", 1, first.started.connection_id, first.started.epoch)).resumed
    second.stop()
    await second.wait_closed()
    by_id = partial(nodes.pushers[0].push, first.started.connection_id, by="session", data=b"hi", within=2.0)
    assert (await by_id()).error_code == (await by_id(idempotency_key="k")).error_code == "TARGET_NOT_FOUND"
    joining = pb.JoinGroupRequest(target_type="openid", target_id="alice", group="g")
    assert (await nodes.pushers[0].stub.JoinGroup(joining)).error_code == "TARGET_NOT_FOUND"


async def test_a_fresh_start_at_another_node_takes_over(nodes: Nodes) -> None:
    first = await nodes.online(0, "alice")
    second = await nodes.online(1, "alice")
    assert (await first.wait_closed()).code == CloseCode.SUPERSEDED
    assert wire.business(await second.call("echo")).code == 200


async def test_a_push_through_any_node_reaches_the_session(nodes: Nodes) -> None:
    client = await nodes.online(1, "alice")
    assert client.started is not None
    for target_type, target_id in (("openid", "alice"), ("session", client.started.connection_id)):
        answer = await nodes.pushers[0].push(target_id, by=target_type, data=b"hi")
        assert (answer.success, answer.error_code) == (True, "")
    await client.wait_count(3)
    assert nodes.count(0, "pushes_forwarded") == 2


async def test_whom_a_push_found_before_is_looked_for_again_after_a_move(nodes: Nodes) -> None:
    third = await nodes.add()
    first = await nodes.online(1, "alice")
    assert first.started is not None
    for _ in range(2):
        assert (await nodes.pushers[0].push("alice", data=b"before")).success
    second = await nodes.client(third)
    assert (await second.start("alice", "", 3, first.started.connection_id, first.started.epoch)).resumed
    assert (await nodes.pushers[0].push("alice", data=b"after")).success
    await second.wait_count(1)
    assert nodes.count(1, "pushes_refused") == 1, "where it was found before"
    assert (await nodes.pushers[0].push("alice", data=b"again")).success
    assert nodes.count(1, "pushes_refused") == 1
    second.stop()
    await second.wait_closed()
    assert (await nodes.pushers[0].push("alice", data=b"too late")).error_code == "TARGET_NOT_FOUND"


async def test_a_broadcast_reaches_all_nodes(nodes: Nodes) -> None:
    clients = [await nodes.online(node, f"user-{node}") for node in (0, 1)]
    answer = await nodes.pushers[1].broadcast(data=b"news")
    assert (answer.sent_count, list(answer.unreached_nodes)) == (2, [])
    for client in clients:
        await client.wait_count(2)


async def test_a_service_that_registers_at_one_node_serves_all(nodes: Nodes) -> None:
    client = await nodes.online(1, "alice")
    async with RawUpstream("other") as other:
        assert (await nodes.pushers[0].register(other.address, "001")).success
        async with asyncio.timeout(20):
            while not other.requests:
                assert wire.business(await client.call("echo")).code == 200
                await asyncio.sleep(0.02)  # else it is over its rate of requests


async def test_what_is_for_all_reaches_who_came_to_a_node_that_has_only_just_joined(nodes: Nodes) -> None:
    client = await nodes.online(await nodes.add(), "alice")
    assert (await nodes.pushers[0].broadcast(data=b"hi")).sent_count == 1
    await client.wait_for(wire.is_notify)


async def test_a_kick_at_any_node_ends_the_session(nodes: Nodes) -> None:
    client = await nodes.online(1, "alice")
    pages = AdminPages(nodes.gateways[0].addresses.admin, None, 20.0)
    kick = partial(asyncio.to_thread, pages.ask, "POST", "/sessions/kick", {"openid": "alice"})
    assert await kick() == (200, {"kicked": 1})
    assert (await client.wait_closed()).code == CloseCode.KICKED
    assert (await kick())[0] == 404


async def test_a_node_that_stops_loses_nothing_that_is_fetched_in_time(nodes: Nodes) -> None:
    """A rolling restart, seen by one client: it comes back at another node, and goes on."""
    gate = nodes.service.hold("slow")
    first = await nodes.online(0, "alice")
    assert first.started is not None
    message = first.business("slow")
    await nodes.service.wait_requests(1, "slow")
    stopping = asyncio.create_task(nodes.gateways[0].stop())
    await asyncio.sleep(0.1)
    second = await nodes.client(1)
    assert (await second.start("alice", "", 1, first.started.connection_id, first.started.epoch)).resumed
    gate.open()
    assert wire.business(await second.reply(message)).code == 200
    await stopping
    second.next_seq = 3
    assert wire.business(await second.call("echo")).code == 200
    second.assert_gap_free(2)


async def test_what_is_pushed_while_a_node_stops_goes_with_the_session(nodes: Nodes) -> None:
    first = await nodes.online(0, "alice")
    assert first.started is not None
    stopping = asyncio.create_task(nodes.gateways[0].stop())
    await first.wait_closed()
    pushed = await nodes.pushers[1].push("alice", content="while nobody is there")
    assert pushed.success, pushed
    second = await nodes.client(1)
    assert (await second.start("alice", "", 1, first.started.connection_id, first.started.epoch)).resumed
    await second.wait_for(wire.is_notify)
    await stopping


async def test_groups_are_of_all_nodes(nodes: Nodes) -> None:
    clients = [await nodes.online(node, f"user-{node}") for node in (0, 1)]
    here, there = (pusher.stub for pusher in nodes.pushers)
    for openid in ("user-0", "user-1"):
        answer = await here.JoinGroup(pb.JoinGroupRequest(target_type="openid", target_id=openid, group="room"))
        assert (answer.success, answer.sessions, answer.everywhere) == (True, 1, True)
    cursor, members = "", []
    while True:
        page = await there.GroupMembers(pb.GroupMembersRequest(group="room", limit=1, cursor=cursor))
        members += [member.openid for member in page.members]
        cursor = page.next
        if not cursor:
            break
    assert sorted(members) == ["user-0", "user-1"]
    told = await there.PushToGroup(pb.GroupPushRequest(group="room", content="hello"))
    assert (told.sent_count, told.member_count, told.everywhere) == (2, 2, True)
    for client in clients:
        await client.wait_for(wire.is_notify)
    present = await there.SessionsOf(pb.SessionsOfRequest(openid="user-0"))
    assert [session.attached for session in present.sessions] == [True]
    left = await there.LeaveGroup(pb.LeaveGroupRequest(target_type="openid", target_id="user-0", group="room"))
    assert left.sessions == 1


async def test_a_service_that_knows_all_nodes_broadcasts_once(nodes: Nodes) -> None:
    clients = [await nodes.online(node, f"user-{node}") for node in (0, 1)]
    service = Service("hello", gateway=[gateway.addresses.grpc for gateway in nodes.gateways])

    @service.hello
    async def hello(request: Request) -> None:
        del request

    async with service.running() as running:
        await running.registered(20.0)
        assert (await service.broadcast("news")).sent_count == 2
    for client in clients:
        await client.wait_for(wire.is_notify)
        assert len(client.notifies) == 1
