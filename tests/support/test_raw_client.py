"""The raw client does what it says, against a scripted server that is no gateway."""

from __future__ import annotations

import pytest

from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.raw_client import Close, ConnectionEndedError, HandshakeError, connect
from tests.support.toy_server import ToyConnection, ToyServer


def answering(connection: ToyConnection, request: pb.ClientRequest) -> None:
    """A few fixed habits: START is accepted, numbers count up, ``stop`` closes, ``burst`` sends a lot."""
    sent = connection.__dict__.setdefault("sent", [0])
    kinds = {pb.REQUEST_START: pb.PUSH_START_RESP, pb.REQUEST_HEARTBEAT: pb.PUSH_HEARTBEAT_RESP}
    if request.type == pb.REQUEST_STOP:
        connection.close(0x203, "DRAINING: bye")
    elif request.type == pb.REQUEST_START:
        answer = pb.StartResponse(success=True, connection_id=pb.StartRequest.FromString(request.payload).openid)
        payload = answer.SerializeToString()
        connection.push(pb.ServerPush(msg_id=request.msg_id, type=kinds[request.type], payload=payload))
    elif request.type == pb.REQUEST_BUSINESS:
        asked = pb.BusinessRequest.FromString(request.payload)
        for _ in range(int(asked.params.get("count", "1"))):
            sent[0] += 1
            answer_body = pb.BusinessResponse(code=200, message=str(request.seq_id), data=asked.data)
            push = pb.ServerPush(msg_id=request.msg_id, seq_id=sent[0], payload=answer_body.SerializeToString())
            push.type = pb.PUSH_BUSINESS_DATA
            push.headers.update(request.headers)
            connection.push(push)
        if asked.action == "hole":
            sent[0] += 1


async def test_a_conversation_over_the_wire() -> None:
    async with ToyServer(answering) as server, await connect(*server.address) as client:
        started = await client.start("alice")
        assert (started.success, started.connection_id) == (True, "alice")
        push = await client.call("echo", data=b"x" * 200_000, headers={"a": "b"})
        assert (wire.business(push).message, len(wire.business(push).data), push.headers["a"]) == ("1", 200_000, "b")
        assert wire.business(await client.call("echo")).message == "2"
        assert wire.business(await client.reply(client.business("echo", seq=77))).message == "77"
        client.assert_gap_free()
        assert [(await client.next_push()).seq_id for _ in range(4)] == [0, 1, 2, 3]
        assert client.last_seq == 3


async def test_the_close_code_is_known_at_once_and_waiting_ends() -> None:
    async with ToyServer(answering) as server, await connect(*server.address) as client:
        client.stop()
        with pytest.raises(ConnectionEndedError, match="DRAINING: bye"):
            await client.next_push()
        assert await client.wait_closed() == Close(0x203, "DRAINING: bye")
        assert client.closed is not None
        assert client.closed.application


async def test_a_hole_is_found() -> None:
    async with ToyServer(answering) as server, await connect(*server.address) as client:
        await client.call("hole")
        await client.call("echo")
        with pytest.raises(AssertionError, match="expected number 2, got 3"):
            client.assert_gap_free()


async def test_waiting_is_bounded_and_tells_what_came() -> None:
    async with ToyServer(answering) as server, await connect(*server.address) as client:
        await client.call("echo", data=b"seen")
        with pytest.raises(TimeoutError, match="seen"):
            await client.reply(99, within=0.05)
        with pytest.raises(TimeoutError, match="5 pushes"):
            await client.wait_count(5, within=0.05)


async def test_another_alpn_is_refused_with_the_tls_alert() -> None:
    async with ToyServer(answering) as server:
        with pytest.raises(HandshakeError) as refused:
            await connect(*server.address, alpn="h3")
    assert refused.value.info is not None
    assert not refused.value.info.application


async def test_no_server_ends_in_a_timeout() -> None:
    async with ToyServer(answering) as server:
        address = server.address
    with pytest.raises(HandshakeError, match="no answer"):
        await connect(*address, within=0.2)


async def test_abandoning_tells_the_server_nothing_and_closing_does() -> None:
    async with ToyServer(answering) as server:
        rude, polite = await connect(*server.address), await connect(*server.address)
        await rude.start("rude")
        await polite.start("polite")
        await rude.close(0)  # to have its socket closed; abandon comes first for the other
        await polite.close(7, "that is it")
        await wire.until(lambda: server.connections[1].ended is not None, what="the close")
        ended = server.connections[1].ended
        assert ended is not None
        assert (ended.error_code, ended.reason_phrase) == (7, "that is it")


async def test_an_abandoned_client_sends_nothing_more() -> None:
    async with ToyServer(answering) as server:
        client = await connect(*server.address)
        await client.start("a")
        client.abandon()
        client.business("echo")
        other = await connect(*server.address)
        await other.call("echo")
        assert server.connections[0].ended is None
        assert (await client.wait_closed()).code == -1
        await other.close()


async def test_rebind_continues_from_another_port() -> None:
    async with ToyServer(answering) as server, await connect(*server.address) as client:
        await client.start("a")
        before = client.local_port
        await client.rebind()
        await client.call("echo")
        assert client.local_port != before
        assert client.local_port == server.connections[0].path()[1]  # type: ignore[index]


async def test_a_paused_reader_grants_no_credit_and_reads_on_later() -> None:
    async with ToyServer(answering) as server:
        client = await connect(*server.address, receive_window=64 << 10)
        await client.start("a")
        client.pause_reading()
        client.business("echo", {"count": "100"}, bytes(4000))
        quic = server.connections[0]._quic
        await wire.until(lambda: quic._streams[0].sender.highest_offset >= 64 << 10, what="used up credit")
        assert client.numbered == []
        client.resume_reading()
        await client.wait_count(100)
        client.assert_gap_free()
        await client.close()


async def test_deaf_means_nothing_is_heard_and_later_it_is() -> None:
    async with ToyServer(answering) as server, await connect(*server.address) as client:
        client.deafen()
        message = client.business("echo")
        with pytest.raises(TimeoutError):
            await client.reply(message, within=0.1)
        client.deafen(False)
        await client.reply(message)
