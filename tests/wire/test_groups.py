"""Groups and presence over real connections, and the way back to the gateway that called (protocol §3, §4)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.proto import service_pb2 as pb
from tests.support import wire

if TYPE_CHECKING:
    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker


def texts(client: RawClient) -> list[str]:
    return [wire.business(push).data.decode() for push in client.notifies]


async def join(world: World, openid: str, group: str, ttl_ms: int = 0) -> pb.GroupResponse:
    request = pb.JoinGroupRequest(target_type="openid", target_id=openid, group=group, ttl_ms=ttl_ms)
    return await world.pusher.stub.JoinGroup(request, timeout=20.0)


async def push_to(world: World, group: str, content: str) -> pb.GroupPushResponse:
    request = pb.GroupPushRequest(group=group, msg_type="news", content=content)
    return await world.pusher.stub.PushToGroup(request, timeout=20.0)


async def members(world: World, group: str) -> list[tuple[str, bool]]:
    answer = await world.pusher.stub.GroupMembers(pb.GroupMembersRequest(group=group), timeout=20.0)
    return [(member.openid, member.attached) for member in answer.members]


async def test_members_get_each_push_once_in_one_order_through_a_resume(world: World) -> None:
    clients = [await world.online(f"u{number}") for number in range(4)]
    for number in range(3):
        assert (await join(world, f"u{number}", "g")).sessions == 1
    await clients[1].bury()
    while await members(world, "g") != [("u0", True), ("u1", False), ("u2", True)]:
        await asyncio.sleep(0.01)
    pushes = asyncio.gather(*[push_to(world, "g", f"g{number}") for number in range(5)])
    broadcasts = asyncio.gather(*[world.pusher.broadcast(content=f"b{number}") for number in range(3)])
    assert [answer.sent_count for answer in await pushes] == [3] * 5
    await broadcasts
    clients[1] = await world.resumed(clients[1], 1)
    for client in clients[:3]:
        await client.wait_count(8, wire.is_notify)
    assert texts(clients[0]) == texts(clients[1]) == texts(clients[2])
    assert sorted(texts(clients[0])) == ["b0", "b1", "b2", "g0", "g1", "g2", "g3", "g4"]
    assert [text for text in texts(clients[0]) if text[0] == "b"] == texts(clients[3])
    leave = pb.LeaveGroupRequest(target_type="openid", target_id="u1", group="g")
    assert (await world.pusher.stub.LeaveGroup(leave, timeout=20.0)).sessions == 1
    assert (await push_to(world, "g", "last")).sent_count == 2
    assert await members(world, "g") == [("u0", True), ("u2", True)]


async def test_a_service_joins_whom_it_logs_in_and_a_membership_ends_by_itself(world: World) -> None:
    async def hello(request: pb.UpstreamRequest) -> pb.UpstreamResponse:
        join = pb.JoinGroupRequest(target_type="session", target_id=request.session_id, group="g")
        assert (await world.pusher.stub.JoinGroup(join, timeout=20.0)).success
        assert (await push_to(world, "g", "welcome")).sent_count == 1
        return pb.UpstreamResponse(code=200, client_seq_id=request.client_seq_id)

    world.hello.on("hello", hello)
    client = await world.online("alice")
    await client.wait_for(wire.is_notify)
    assert texts(client) == ["welcome"]
    await join(world, "alice", "g", ttl_ms=1)
    while await members(world, "g"):
        await asyncio.sleep(0.01)
    assert (await push_to(world, "g", "too late")).member_count == 0


async def test_presence(world: World) -> None:
    client = await world.online("alice")
    await join(world, "alice", "g")
    assert client.started is not None
    ask = pb.SessionsOfRequest(openid="alice")
    (session,) = (await world.pusher.stub.SessionsOf(ask, timeout=20.0)).sessions
    assert (session.session_id, session.attached, session.logged_in) == (client.started.connection_id, True, True)
    assert list(session.groups) == ["g"]
    assert session.address.startswith("127.0.0.1:")
    nobody = await world.pusher.stub.SessionsOf(pb.SessionsOfRequest(openid="nobody"), timeout=20.0)
    assert not nobody.sessions


async def test_refusals_have_their_codes(world: World) -> None:
    assert (await join(world, "nobody", "g")).error_code == "TARGET_NOT_FOUND"
    assert (await join(world, "nobody", "")).error_code == "BAD_GROUP"
    assert (await push_to(world, "\n", "x")).error_code == "BAD_GROUP"


async def test_services_are_told_which_gateway_called(world: World) -> None:
    client = await world.online("alice")
    await client.call("echo", headers={"gateway": "127.0.0.9:1", "k": "v"})
    here = world.gateway.addresses.grpc
    assert [dict(request.headers) for request in world.hello.requests] == [{"gateway": here}]
    assert [dict(request.headers) for request in world.zone.requests + world.business.requests] == [
        {"gateway": here, "k": "v"}
    ]


async def test_the_address_that_is_advertised_goes_before(make_world: WorldMaker) -> None:
    world = await make_world(server={"grpc_advertise": "localhost:0"})
    await world.online("alice")
    port = world.gateway.addresses.grpc.rpartition(":")[2]
    assert [request.headers["gateway"] for request in world.hello.requests] == [f"localhost:{port}"]
