"""The calls about groups and presence over gRPC: what is asked arrives, and what is answered leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from quicgw_fast.config import join_address
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import GatewayServiceStub
from tests.control.doors import start_control
from tests.control.recording import RecordingGroups, RecordingPusher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def groups() -> RecordingGroups:
    return RecordingGroups()


@pytest.fixture
async def stub(groups: RecordingGroups) -> AsyncIterator[GatewayServiceStub]:
    server = await start_control(RecordingPusher(), groups=groups)
    async with grpc.aio.insecure_channel(join_address(*server.address)) as channel:
        yield GatewayServiceStub(channel)
    await server.stop()


async def test_each_call_gets_its_answer(stub: GatewayServiceStub, groups: RecordingGroups) -> None:
    join = pb.JoinGroupRequest(target_type="openid", target_id="alice", group="g", ttl_ms=5)
    leave = pb.LeaveGroupRequest(target_type="session", target_id="s", group="g")
    push = pb.GroupPushRequest(group="g", msg_type="t", metadata={"k": "v"}, idempotency_key="k")
    members, sessions = pb.GroupMembersRequest(group="g", limit=3, cursor="7"), pb.SessionsOfRequest(openid="alice")
    assert (await stub.JoinGroup(join)).message == "joined"
    assert (await stub.LeaveGroup(leave)).message == "left"
    call = stub.PushToGroup(push)
    assert (await call).sent_count == 3
    trailing = dict(await call.trailing_metadata() or ())
    assert (trailing["pending-bytes"], trailing["most-pending-bytes"]) == ("9", "4")
    assert [member.openid for member in (await stub.GroupMembers(members)).members] == ["alice"]
    assert [session.session_id for session in (await stub.SessionsOf(sessions)).sessions] == ["s"]
    assert groups.seen == [join, leave, push, members, sessions]


async def test_a_fault_is_told_as_internal_without_detail(stub: GatewayServiceStub, groups: RecordingGroups) -> None:
    groups.error = RuntimeError("secret")
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await stub.JoinGroup(pb.JoinGroupRequest())
    assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.INTERNAL, "internal error of the gateway")
