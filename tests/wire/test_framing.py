"""Protocol §1: connections, frames, envelopes, and what old peers may leave out or add."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from grpc import aio

from quicgw_fast import config as configs
from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.proto import service_pb2
from quicgw_fast.transport import makers
from tests.support import wire
from tests.support.raw_client import HandshakeError, RawClient
from tests.support.raw_upstream import answer
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from tests.support.world import World, WorldMaker


def start_body(openid: str, **fields: str) -> bytes:
    """A START envelope."""
    start = pb.StartRequest(openid=openid, **fields)  # type: ignore[arg-type]
    request = pb.ClientRequest(msg_id=1, type=pb.REQUEST_START, payload=start.SerializeToString())
    return request.SerializeToString()


def business_of_size(size: int, seq: int) -> bytes:
    """A BUSINESS envelope of exactly ``size`` bytes."""

    def build(filler: int) -> bytes:
        payload = pb.BusinessRequest(action="store", data=bytes(filler)).SerializeToString()
        request = pb.ClientRequest(msg_id=77, seq_id=seq, type=pb.REQUEST_BUSINESS, payload=payload)
        return request.SerializeToString()

    body = build(size - (len(build(size)) - size))
    assert len(body) == size
    return body


def store_nothing(world: World) -> None:
    async def handler(request: service_pb2.UpstreamRequest) -> service_pb2.UpstreamResponse:
        return answer(request, message=str(len(request.data)))

    world.business.on("store", handler)


async def refused_error(client: RawClient) -> pb.ErrorMessage:
    """The last error before the connection is closed as a protocol error; it belongs to no message."""
    await assert_closed(client, CloseCode.PROTOCOL_ERROR)
    push = client.log[-1]
    assert push.msg_id == 0
    return wire.error(push)


async def test_every_version_of_quic_is_spoken(world: World) -> None:
    for version in makers.load(world.parts.transport).VERSIONS:
        client = await world.connect(version=version)
        assert (await client.start("alice")).success


@pytest.mark.parametrize("alpn", ["h3", "gatesvr2", "GATESVR", None])
async def test_another_alpn_or_none_is_refused(world: World, alpn: str | None) -> None:
    async with world.bystander():
        with pytest.raises(HandshakeError) as refused:
            client = await world.connect(alpn=alpn)
            # A client's handshake can be complete before the server has looked at what it offered.
            await client.wait_closed()
            raise HandshakeError(client.closed)
        assert refused.value.info is not None, "the refusal must be told, not left to a timeout"


async def test_messages_cut_anywhere_and_sent_together_are_understood(world: World) -> None:
    client = await world.connect()
    data = wire.frame(start_body("alice"))
    for index in range(len(data)):
        client.send_raw(data[index : index + 1])
        if index % 8 == 0:
            await asyncio.sleep(0.001)
    assert (await client.next_push()).type == pb.PUSH_START_RESP
    client.next_msg = 2
    messages = [client.business("hello", flush=False)]
    messages += [client.business("echo", data=str(n).encode(), flush=False) for n in range(20)]
    client.flush()
    for message in messages:
        assert (await client.reply(message)).type == pb.PUSH_BUSINESS_DATA
    client.assert_gap_free()


async def test_a_body_of_exactly_the_limit_is_accepted(world: World) -> None:
    store_nothing(world)
    client = await world.online("alice")
    client.send_raw(wire.frame(business_of_size(wire.MAX_BODY, 2)))
    push = await client.reply(77, within=20)
    assert int(wire.business(push).message) > wire.MAX_BODY - 100


async def test_a_body_over_the_limit_is_413_and_the_end(world: World) -> None:
    async with world.bystander():
        client = await world.online("alice")
        client.send_raw(wire.frame(business_of_size(wire.MAX_BODY + 1, 2)))
        assert (await refused_error(client)).error_code == 413
        client.assert_gap_free()
    assert not [seen for seen in world.business.requests if seen.action == "store"]


@pytest.mark.parametrize("length", [wire.MAX_BODY + 1, 1 << 31, (1 << 32) - 1])
async def test_a_length_over_the_limit_is_refused_before_its_body_comes(world: World, length: int) -> None:
    async with world.bystander():
        client = await world.online("alice")
        client.send_raw(length.to_bytes(4, "big"))
        assert (await refused_error(client)).error_code == 413


async def test_messages_before_a_too_long_one_are_still_served(world: World) -> None:
    client = await world.online("alice")
    client.send_raw(
        wire.frame(
            pb.ClientRequest(
                msg_id=9, type=pb.REQUEST_HEARTBEAT, payload=pb.HeartbeatRequest().SerializeToString()
            ).SerializeToString()
        )
        + b"\xff\xff\xff\xff"
    )
    assert (await refused_error(client)).error_code == 413
    assert client.replies(9)[0].type == pb.PUSH_HEARTBEAT_RESP


async def test_a_start_of_exactly_four_kibibytes_is_accepted(world: World) -> None:
    client = await world.connect()
    filler = wire.MAX_FIRST_BODY - len(start_body("alice", auth_token="x" * 3900)) + 3900
    body = start_body("alice", auth_token="x" * filler)
    assert len(body) == wire.MAX_FIRST_BODY
    client.send_raw(wire.frame(body))
    push = await client.next_push()
    assert pb.StartResponse.FromString(push.payload).success


async def test_before_start_more_than_four_kibibytes_are_refused(world: World) -> None:
    async with world.bystander():
        client = await world.connect()
        client.send_raw((wire.MAX_FIRST_BODY + 1).to_bytes(4, "big"))
        await assert_closed(client, CloseCode.PROTOCOL_ERROR)


async def test_large_messages_are_allowed_right_behind_start(world: World) -> None:
    store_nothing(world)
    client = await world.connect()
    login = pb.ClientRequest(msg_id=2, seq_id=1, type=pb.REQUEST_BUSINESS)
    login.payload = pb.BusinessRequest(action="hello").SerializeToString()
    large = business_of_size(10_000, 2)
    client.send_raw(wire.frame(start_body("alice")) + wire.frame(login.SerializeToString()) + wire.frame(large))
    assert wire.business(await client.reply(77)).code == 200


@pytest.mark.parametrize("body", [b"\xff\xff\xff\xff", b"\x22\x05abc", b"\x08"])
async def test_an_envelope_that_does_not_parse_ends_the_connection(world: World, body: bytes) -> None:
    async with world.bystander():
        client = await world.online("alice")
        client.send_raw(wire.frame(body))
        error = await refused_error(client)
        assert error.error_code in (400, 413)
        client.assert_gap_free()


@pytest.mark.parametrize("body", [b"", b"\xff\xff\xff\xff", b"\x00" * 100])
async def test_garbage_in_place_of_start_ends_the_connection(world: World, body: bytes) -> None:
    async with world.bystander():
        client = await world.connect()
        client.send_raw(wire.frame(body))
        await assert_closed(client, CloseCode.PROTOCOL_ERROR)


async def test_unknown_fields_are_ignored_everywhere(world: World) -> None:
    extra = b"\xfa\x7f\x03abc"  # field 2047, bytes
    client = await world.connect()
    start = pb.StartRequest(openid="alice").SerializeToString() + extra
    envelope = pb.ClientRequest(msg_id=1, type=pb.REQUEST_START, payload=start).SerializeToString()
    client.send_raw(wire.frame(envelope + extra))
    assert pb.StartResponse.FromString((await client.next_push()).payload).success
    client.next_msg = 2
    body = pb.BusinessRequest(action="hello").SerializeToString() + extra
    assert wire.business(await client.reply(client.request(pb.REQUEST_BUSINESS, body, seq=1))).code == 200


async def test_the_openid_of_the_envelope_is_ignored(world: World) -> None:
    client = await world.started("alice")
    request = pb.ClientRequest(msg_id=5, seq_id=1, type=pb.REQUEST_BUSINESS, openid="mallory")
    request.payload = pb.BusinessRequest(action="hello").SerializeToString()
    client.send(request)
    await client.reply(5)
    assert world.hello.requests[-1].openid == "alice"


async def test_a_message_that_stands_still_ends_the_connection(make_world: WorldMaker) -> None:
    world = await make_world(session={"frame_timeout": 0.4})
    async with world.bystander():
        client = await world.online("alice")
        begun = time.monotonic()
        client.send_raw(b"\x00\x00\x00\x10ab")
        await assert_closed(client, CloseCode.SLOW_CONSUMER)
        assert time.monotonic() - begun >= 0.35
        await world.resumed(client, client.last_seq)


async def test_a_message_may_come_slowly(make_world: WorldMaker) -> None:
    """It takes longer than no byte at all may take."""
    world = await make_world(session={"frame_timeout": 2.0})
    store_nothing(world)
    client = await world.online("alice")
    body = wire.frame(business_of_size(600_000, 2))
    for start in range(0, len(body), 60_000):
        client.send_raw(body[start : start + 60_000])
        await asyncio.sleep(0.3)
    assert wire.business(await client.reply(77)).code == 200


async def test_a_dripping_message_ends_the_connection(make_world: WorldMaker) -> None:
    world = await make_world(session={"frame_timeout": 0.4})
    client = await world.online("alice")
    client.send_raw(b"\x00\x00\x10\x00")
    begun = time.monotonic()
    while client.closed is None:
        client.send_raw(b"x")
        await asyncio.sleep(0.05)
        assert time.monotonic() - begun < 20.0
    await assert_closed(client, CloseCode.SLOW_CONSUMER)


@pytest.mark.parametrize("unidirectional", [False, True])
async def test_a_second_stream_ends_the_connection(world: World, unidirectional: bool) -> None:
    async with world.bystander():
        client = await world.online("alice")
        client.send_on_new_stream(wire.frame(start_body("bob")), unidirectional=unidirectional)
        close = await client.wait_closed()
        assert client.closed is not None
        stream_limit_error = 0x4  # RFC 9000 §20.1
        expected = CloseCode.PROTOCOL_ERROR if client.closed.application else stream_limit_error
        assert close.code == expected, close


async def test_the_paths_of_the_push_service(world: World) -> None:
    client = await world.online("alice")
    base = "/gatesvr.proto.GatewayService/"
    async with aio.insecure_channel(world.gateway.addresses.grpc) as channel:
        for method, request in (
            ("PushToClient", service_pb2.UnicastPushRequest(target_type="openid", target_id="alice")),
            ("BroadcastToClients", service_pb2.BroadcastRequest()),
            ("RegisterUpstream", service_pb2.UpstreamRegisterRequest()),
        ):
            call: Any = channel.unary_unary(base + method)
            await call(request.SerializeToString(), timeout=5)
    await client.wait_count(2, wire.is_notify)


def test_the_default_addresses() -> None:
    server = configs.ServerConfig()
    assert [configs.split_address(a)[1] for a in (server.quic, server.grpc, server.admin)] == [8443, 8092, 8080]
