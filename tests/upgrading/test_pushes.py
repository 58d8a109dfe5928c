"""While two processes share a port, what services and operators ask reaches a session wherever it is, and once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import service_pb2 as pb
from tests.support import wire
from tests.support.parts import Parts
from tests.upgrading.pair import WITHIN, Pair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.raw_client import RawClient


class Halfway:
    """An upgrade that goes no further: ``here`` is at the old process, ``there`` at the new one."""

    def __init__(self, pair: Pair, here: RawClient, there: RawClient) -> None:
        self.pair = pair
        self.stub = pair.pusher.stub
        self.here = here
        self.there = there
        self.both = here, there


async def got(client: RawClient, data: bytes) -> int:
    """Wait for a notify, and a moment longer; how often it came."""
    await client.wait_for(lambda push: wire.is_notify(push) and wire.business(push).data == data, WITHIN)
    await asyncio.sleep(0.05)
    return [wire.business(push).data for push in client.notifies].count(data)


@pytest.fixture
async def halfway(certificate: tuple[Path, Path]) -> AsyncIterator[Halfway]:
    async with Pair(Parts("rust", "quinn", "native"), certificate, drain={"pace": 1}) as pair:
        clients = [await pair.online(f"c{number}") for number in range(2)]
        for client in clients:
            assert client.started is not None
            request = pb.JoinGroupRequest(target_type="session", target_id=client.started.connection_id, group="all")
            assert (await pair.pusher.stub.JoinGroup(request)).success
        await pair.upgrade()
        async with asyncio.timeout(WITHIN):
            while not any(client.closed for client in clients):
                await asyncio.sleep(0.01)
        gone = next(client for client in clients if client.closed)
        stays = next(client for client in clients if client is not gone)
        yield Halfway(pair, stays, await pair.back(gone))


async def test_a_push_reaches_one_client_and_what_is_for_many_comes_once_to_each(halfway: Halfway) -> None:
    pusher = halfway.pair.pusher
    for client in halfway.both:
        assert client.started is not None
        for by, target in (("openid", client.openid), ("session", client.started.connection_id)):
            data = f"{by} {target}".encode()
            answer = await pusher.push(target, by=by, data=data)
            assert answer.success, answer
            assert await got(client, data) == 1
    for by in ("openid", "session", "gid"):
        assert (await pusher.push("nobody", by=by)).error_code == "TARGET_NOT_FOUND"

    answer = await pusher.broadcast(b"to all")
    assert (answer.sent_count, answer.everywhere) == (2, False), answer
    spread = await halfway.stub.PushToGroup(pb.GroupPushRequest(group="all", data=b"to the group"))
    assert (spread.sent_count, spread.member_count) == (2, 2)
    for client in halfway.both:
        assert await got(client, b"to all") == 1
        assert await got(client, b"to the group") == 1


async def test_groups_and_presence_are_those_of_both(halfway: Halfway) -> None:
    page = await halfway.stub.GroupMembers(pb.GroupMembersRequest(group="all"))
    found = list(page.members)
    while page.next:
        page = await halfway.stub.GroupMembers(pb.GroupMembersRequest(group="all", cursor=page.next))
        found += page.members
    assert sorted(member.openid for member in found) == ["c0", "c1"]
    for client in halfway.both:
        present = await halfway.stub.SessionsOf(pb.SessionsOfRequest(openid=client.openid))
        assert len(present.sessions) == 1
        request = pb.LeaveGroupRequest(target_type="openid", target_id=client.openid, group="all")
        assert (await halfway.stub.LeaveGroup(request)).success
    spread = await halfway.stub.PushToGroup(pb.GroupPushRequest(group="all", data=b"to nobody"))
    assert (spread.sent_count, spread.member_count) == (0, 0)


async def test_what_a_service_still_asks_the_old_process_is_done_for_both(halfway: Halfway) -> None:
    """It has a connection to that one, and a call of it under way."""
    pushes, groups, presence, _ = halfway.pair.first._served()
    told = await pushes.broadcast(pb.BroadcastRequest(data=b"to all"))
    spread = await groups.push(pb.GroupPushRequest(group="all", data=b"to the group"))
    assert (told.sent_count, spread.sent_count, spread.member_count) == (2, 2, 2)
    members = await groups.members(pb.GroupMembersRequest(group="all", limit=10))
    assert len(members.members) + bool(members.next) == 2
    for client in halfway.both:
        assert await got(client, b"to all") == 1
        assert await got(client, b"to the group") == 1
        present = await presence.sessions_of(pb.SessionsOfRequest(openid=client.openid))
        assert len(present.sessions) == 1
        by_openid = {"target_type": "openid", "target_id": client.openid}
        assert (await groups.join(pb.JoinGroupRequest(**by_openid, group="more"))).success
        assert (await groups.leave(pb.LeaveGroupRequest(**by_openid, group="all"))).success
    for group, count in (("all", 0), ("more", 2)):
        spread = await halfway.stub.PushToGroup(pb.GroupPushRequest(group=group, data=b"again"))
        assert (group, spread.member_count) == (group, count)


async def test_an_operator_ends_a_session_of_the_old_process(halfway: Halfway) -> None:
    assert await halfway.pair.last._kick(openid=halfway.here.openid, session_id="", reason="") == 1
    assert (await halfway.here.wait_closed(within=WITHIN)).code == CloseCode.KICKED
    assert await halfway.pair.last._kick(openid="nobody", session_id="", reason="") == 0


async def test_a_reply_and_what_is_bound_to_it_follow_their_session(certificate: tuple[Path, Path]) -> None:
    async with Pair(Parts(), certificate) as pair:
        client = await pair.online("alice")
        held = pair.service.hold("echo")
        client.business("echo", data=b"answer")
        (seen,) = await pair.service.wait_requests(1, "echo")
        await pair.upgrade()
        again = await pair.back(client)
        for hint, data in ((1, b"before"), (2, b"after")):
            bound = await pair.pusher.push("alice", data=data, hint=hint, bind=seen.request.client_seq_id)
            assert bound.message == "bound", bound
        assert not pair.generations[0].over.done(), "it has a request to answer"
        held.open()
        await again.reply(client.next_msg - 1)
        await again.wait_for(lambda push: wire.is_notify(push) and wire.business(push).data == b"after", WITHIN)
        assert [wire.business(push).data for push in again.numbered] == [b"before", b"answer", b"after"]
        await pair.ended(0)
        assert pair.generations[0].told == ["gives way to 102"]
        assert pair.generations[1].told == ["owns"]


async def test_services_that_registered_go_along(certificate: tuple[Path, Path]) -> None:
    async with Pair(Parts(), certificate, upstream={"hello": [], "business": [], "zone": []}) as pair:
        for name in ("hello", "business"):
            request = pb.UpstreamRegisterRequest(address=pair.service.address, service_name=name, lease=60)
            assert (await pair.pusher.stub.RegisterUpstream(request)).success
        await pair.online("alice")
        await pair.upgrade()
        await pair.ended(0)
        client = await pair.online("bob")
        assert wire.business(await client.call("anything")).code == 200
