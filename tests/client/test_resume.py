"""Connections are lost, the session goes on: nothing missing, nothing twice, nothing out of order."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.client import (
    CallTimeout,
    ConnectionClosed,
    ConnectionFailed,
    Reconnect,
    State,
)
from quicgw_fast.client.errors import NumberGap
from quicgw_fast.codes import CloseCode, PushType, RequestType
from quicgw_fast.proto.client_pb2 import BusinessResponse, ClientRequest
from tests.client.scripted import Peer, echo, frame, push
from tests.support.udp_proxy import UdpProxy

if TYPE_CHECKING:
    from quicgw_fast.client import Client
    from tests.client.conftest import Connect, States
    from tests.client.scripted import Asked, ScriptedGateway


def silence(asked: Asked) -> None:
    return None


def deaf(peer: Peer, request: ClientRequest) -> bool:
    """Lose the request, as if it had never arrived."""
    return True


async def test_a_call_in_flight_survives(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    client = await connect()
    gateway.hold_replies = True
    call = client.submit("echo", data=b"x")
    await gateway.until(lambda: len(gateway.asked) == 2)
    gateway.peer.close(CloseCode.INTERNAL)
    assert (await call).data == b"x"
    assert states.names == ["connecting", "connected", "reconnecting", "resumed"]
    lost = states[2]
    assert isinstance(lost.error, ConnectionClosed)
    assert lost.error.code == CloseCode.INTERNAL
    assert lost.attempt == 1
    assert client.resumed
    start = gateway.peer.start
    assert start is not None
    assert (start.session_id, start.epoch, start.last_acked_seq_id) == ("session-1", "epoch-1", 1)
    assert [asked.action for asked in gateway.asked] == ["hello", "echo"]  # no second hello
    assert client.stats.resumes == 1


async def test_exactly_what_did_not_arrive_is_sent_again(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect()
    gateway.answer = silence
    arrived = [client.submit("slow", data=b"%d" % n, timeout=20) for n in range(2)]
    await gateway.until(lambda: len(gateway.asked) == 3)
    gateway.on[RequestType.BUSINESS] = deaf
    lost = [client.submit("echo", data=b"%d" % n, timeout=20) for n in range(2, 5)]
    await gateway.until(lambda: len(gateway.peer.of(RequestType.BUSINESS)) == 6)
    del gateway.on[RequestType.BUSINESS]
    gateway.answer = echo
    await asyncio.sleep(0.02)  # so that less than the whole timeout is left
    gateway.peer.close(CloseCode.INTERNAL)
    replies = await asyncio.gather(*lost)
    assert [reply.data for reply in replies] == [b"2", b"3", b"4"]
    again = gateway.peer.of(RequestType.BUSINESS)
    assert [request.seq_id for request in again] == [4, 5, 6]
    assert all(int(request.headers["timeout-ms"]) < 20_000 for request in again)
    assert (await states.reach(State.RESUMED)).resent == 3
    for asked in gateway.asked[1:3]:
        gateway.reply(asked, BusinessResponse(code=200, data=asked.data))
    assert [(await call).data for call in arrived] == [b"0", b"1"]


async def test_a_call_given_up_leaves_no_hole_in_the_numbers(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    gateway.on[RequestType.BUSINESS] = deaf
    cancelled, late = client.submit("a"), client.submit("b", timeout=0.05)
    with pytest.raises(CallTimeout):
        await late
    cancelled.cancel()
    del gateway.on[RequestType.BUSINESS]
    gateway.peer.close(CloseCode.INTERNAL)
    assert (await client.call("c", data=b"c")).data == b"c"
    assert [(asked.seq, asked.action) for asked in gateway.asked[1:]] == [(2, "a"), (3, "b"), (4, "c")]
    assert [asked.headers["timeout-ms"] for asked in gateway.asked[1:3]] == ["1", "1"]


async def test_messages_missed_while_away_come_in_order(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    gateway.notify(b"0")
    await client.next_notify(timeout=5)
    gateway.peer.close(CloseCode.INTERNAL)
    for number in range(1, 50):
        gateway.notify(b"%d" % number)
    seen = [(await client.next_notify(timeout=5)).data for _ in range(49)]
    assert seen == [b"%d" % number for number in range(1, 50)]


async def test_what_comes_again_is_dropped(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    for number in range(10):
        gateway.notify(b"%d" % number)
    await client.call("echo")

    def from_the_beginning(peer: Peer, request: ClientRequest) -> bool:
        assert gateway.session is not None
        gateway.start_answer(peer, request, resumed=True, replay_from=1)
        peer.connection.send(b"".join(gateway.session.sent.values()))
        return True

    gateway.on[RequestType.START] = from_the_beginning
    gateway.peer.close(CloseCode.INTERNAL)
    assert (await client.call("echo", data=b"after")).data == b"after"
    gateway.notify(b"10")
    assert [(await client.next_notify()).data for _ in range(11)] == [b"%d" % number for number in range(11)]
    assert client.stats.duplicates == 12
    assert client.pending_notifies == 0


async def test_a_gap_drops_the_connection_and_resumes(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect()
    real = gateway.peer.connection
    gateway.peers.clear()  # number the next one without sending it
    gateway.notify(b"missing")
    gateway.peers.append(Peer(gateway, real))
    gateway.notify(b"after")
    assert [(await client.next_notify(timeout=5)).data for _ in range(2)] == [b"missing", b"after"]
    event = states[2]
    assert event.state is State.RECONNECTING
    assert isinstance(event.error, NumberGap)
    assert (event.error.expected, event.error.got) == (2, 3)
    assert client.stats.protocol_failures == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x00\x00\x02\xff\xff",
        b"\x7f\xff\xff\xff",
        b"\x00\x00\x00\x05\x18\x03\x22\x01\xff",
        frame(push(PushType.START_RESP)),
    ],
    ids=["envelope", "length", "payload", "a second START_RESP"],
)
async def test_garbage_drops_the_connection_and_resumes(
    gateway: ScriptedGateway, connect: Connect, states: States, garbage: bytes
) -> None:
    client = await connect()
    gateway.peer.connection.send(garbage)
    await states.reach(State.RESUMED)
    assert (await client.call("echo", data=b"x")).data == b"x"
    assert client.stats.protocol_failures == 1
    await gateway.until(lambda: gateway.peers[0].ended)
    ended = gateway.peers[0].ended
    assert ended is not None
    assert ended[0] == CloseCode.PROTOCOL_ERROR


async def test_calls_made_while_away_wait_for_the_connection(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect(reconnect=Reconnect(base=0.2, cap=0.2))
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RECONNECTING)
    assert not client.connected
    calls = [client.submit("echo", data=b"%d" % n) for n in range(5)]
    assert [(await call).data for call in calls] == [b"%d" % n for n in range(5)]
    assert [asked.data for asked in gateway.asked[1:]] == [b"%d" % n for n in range(5)]


async def test_a_gateway_that_is_away_for_long(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect(reconnect=Reconnect(base=0.01, cap=0.1, attempt_timeout=1.0))
    port = gateway.listener.address[1]
    await gateway.listener.close(CloseCode.DRAINING)
    with pytest.raises(CallTimeout):
        await client.call("echo", timeout=0.3)
    call = client.submit("echo", data=b"back", timeout=20)
    await gateway.listen(gateway.files, port)
    assert (await call).data == b"back"
    assert client.stats.resumes == 1


async def test_a_dead_link_is_noticed(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    client = await connect(heartbeat=0.1)
    await gateway.until(lambda: gateway.peer.of(RequestType.HEARTBEAT))
    gateway.silent = True
    begun = time.monotonic()
    event = await states.reach(State.RECONNECTING)
    assert 0.2 < time.monotonic() - begun < 10, "by its heartbeats, long before QUIC would notice"
    assert isinstance(event.error, ConnectionFailed)
    gateway.silent = False
    await states.reach(State.RESUMED)
    assert (await client.call("echo", data=b"x")).data == b"x"


async def test_a_network_that_swallows_everything(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    async with UdpProxy(gateway.listener.address) as proxy:
        client = await connect(
            address=f"127.0.0.1:{proxy.address[1]}", heartbeat=0.1, reconnect=Reconnect(base=0.01, attempt_timeout=1)
        )
        proxy.blackhole()
        calls = [client.submit("echo", data=b"%d" % n, timeout=20) for n in range(20)]
        await states.reach(State.RECONNECTING)
        proxy.lift()
        assert [(await call).data for call in calls] == [b"%d" % n for n in range(20)]
        assert client.stats.resumes == 1
        await client.close()


async def test_no_reconnect_if_not_wanted(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    client = await connect(reconnect=False)
    gateway.answer = silence
    call = client.submit("slow")
    await gateway.until(lambda: len(gateway.asked) == 2)
    gateway.peer.close(CloseCode.DRAINING)
    with pytest.raises(ConnectionClosed) as caught:
        await call
    assert caught.value.code == CloseCode.DRAINING
    assert states.names == ["connecting", "connected", "closed"]


async def test_attempts_can_be_limited(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    client = await connect(reconnect=Reconnect(base=0.01, cap=0.02, max_attempts=3, attempt_timeout=1))
    gateway.answer = silence
    call = client.submit("slow")
    await gateway.until(lambda: len(gateway.asked) == 2)
    await gateway.listener.close(CloseCode.DRAINING)
    event = await states.reach(State.CLOSED)
    assert isinstance(event.error, ConnectionFailed)
    assert states.names.count("reconnecting") == 3
    with pytest.raises(ConnectionClosed) as caught:
        await call
    assert isinstance(caught.value.__cause__, ConnectionFailed)
    with pytest.raises(ConnectionClosed):
        async for _ in client.notifies():
            pass


async def test_closing_while_away(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    client = await connect(reconnect=Reconnect(base=60, cap=60))
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RECONNECTING)
    call = client.submit("echo")
    begun = time.monotonic()
    await client.close()
    assert time.monotonic() - begun < 15
    with pytest.raises(ConnectionClosed):
        await call


async def test_a_gateway_that_closes_at_once_is_not_hammered(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect(reconnect=Reconnect(base=0.02, cap=0.64))
    gateway.on[RequestType.START] = close_after_start
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RECONNECTING, count=5)
    assert [event.attempt for event in states if event.state is State.RECONNECTING] == [1, 2, 3, 4, 5]
    del gateway.on[RequestType.START]
    assert (await client.call("echo")).ok


def close_after_start(peer: Peer, request: ClientRequest) -> bool:
    peer.gateway.start_answer(peer, request, resumed=True)
    peer.close(CloseCode.OVERLOADED)
    return True


async def test_another_process_resumes_with_the_ticket(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    first = await connect()
    gateway.notify(b"one")
    await first.next_notify(timeout=5)
    gateway.hold_replies = True
    unanswered = first.submit("echo", data=b"for nobody")
    await gateway.until(lambda: len(gateway.asked) == 2)
    ticket = await first.detach()
    assert (ticket.session_id, ticket.epoch, ticket.last_acked, ticket.logged_in) == ("session-1", "epoch-1", 2, True)
    with pytest.raises(ConnectionClosed):
        await unanswered
    assert gateway.stops == []
    gateway.hold_replies = False
    gateway.notify(b"two")
    states.clear()
    second = await connect(resume=ticket)
    assert second.resumed
    assert (await second.next_notify(timeout=5)).data == b"two"
    assert (await second.call("echo", data=b"x")).data == b"x"
    assert [asked.seq for asked in gateway.asked] == [1, 2, 3]
    assert second.stats.unmatched_replies == 1
    assert states.names == ["connecting", "resumed"]


class Losses:
    """Cuts connections at random moments; the request at the cut is lost in one of two cases."""

    def __init__(self, gateway: ScriptedGateway, seed: int) -> None:
        self.gateway = gateway
        self.random = random.Random(seed)
        self.pushed: list[bytes] = []
        gateway.answer = self.answer
        gateway.on = {RequestType.BUSINESS: self.fate, RequestType.ACK: self.fate}

    def fate(self, peer: Peer, request: ClientRequest) -> bool:
        if peer.connection.closed:
            return True  # what was read behind the cut never arrived
        if self.random.random() >= 0.06:
            return False
        peer.close(CloseCode.INTERNAL, "cut")
        return self.random.random() < 0.5

    def answer(self, asked: Asked) -> BusinessResponse:
        for _ in range(self.random.randrange(3)):
            self.pushed.append(b"%d" % len(self.pushed))
            self.gateway.notify(self.pushed[-1])
        return BusinessResponse(code=200, data=asked.data)


async def read_all(client: Client, rng: random.Random) -> list[bytes]:
    """Read until b"end", now and then slowly."""
    got = []
    async for notify in client.notifies():
        got.append(notify.data)
        if notify.data == b"end":
            break
        if rng.random() < 0.05:
            await asyncio.sleep(0.002)
    return got


@pytest.mark.parametrize("seed", range(4))
async def test_random_losses(gateway: ScriptedGateway, connect: Connect, seed: int) -> None:
    client = await connect(reconnect=Reconnect(base=0.002, cap=0.01), ack_every=3, ack_delay=0.005, queue_size=40)
    losses = Losses(gateway, seed)
    reader = asyncio.create_task(read_all(client, random.Random(seed)))
    for batch in range(30):
        calls = [client.submit("echo", data=b"%d.%d" % (batch, n), timeout=20) for n in range(10)]
        replies = await asyncio.gather(*calls)
        assert [reply.data for reply in replies] == [b"%d.%d" % (batch, n) for n in range(10)]
    gateway.on = {}
    await client.call("echo")
    gateway.notify(b"end")
    assert await asyncio.wait_for(reader, 10) == [*losses.pushed, b"end"]
    assert [asked.seq for asked in gateway.asked] == list(range(1, 303))
    assert client.stats.resumes >= 5
    assert client.stats.resets == 0
