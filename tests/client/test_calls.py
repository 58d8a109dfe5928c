"""Calls and notifies over one healthy connection."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

import pytest

import quicgw_fast.client as sdk
from quicgw_fast.client import (
    CallTimeout,
    ConnectionClosed,
    DeadlineExceeded,
    Draining,
    Overloaded,
    ReplyError,
    State,
    StopReason,
    TooLarge,
    Unauthorized,
)
from quicgw_fast.codes import CloseCode, RequestType
from quicgw_fast.proto.client_pb2 import BusinessResponse, ErrorMessage

if TYPE_CHECKING:
    from pathlib import Path

    from tests.client.conftest import Connect, States
    from tests.client.scripted import Asked, ScriptedGateway


def silence(asked: Asked) -> None:
    return None


async def test_login_call_and_stop(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    client = await connect(hello_params={"device": "phone"}, hello_data=b"who", hello_headers={"h": "1"}, token="tok")
    assert client.connected
    assert gateway.tokens == ["tok"]
    hello = gateway.asked[0]
    assert (hello.seq, hello.action, hello.data, hello.params) == (1, "hello", b"who", {"device": "phone"})
    assert hello.headers["h"] == "1"
    assert client.hello is not None
    assert client.hello.data == b"who"
    reply = await client.call("echo", data=b"x", params={"a": "b"}, headers={"c": "d"}, timeout=7.5)
    assert (reply.code, reply.message, reply.data, reply.ok) == (200, "echo", b"x", True)
    asked = gateway.asked[1]
    assert (asked.params, asked.headers["c"]) == ({"a": "b"}, "d")
    assert 7400 < int(asked.headers["timeout-ms"]) <= 7500
    assert (client.session_id, client.epoch) == ("session-1", "epoch-1")
    await client.close(StopReason.USER_LOGOUT)
    assert gateway.stops == [StopReason.USER_LOGOUT]
    assert gateway.peer.ended is not None
    assert states.names == ["connecting", "connected", "closed"]
    assert states[-1].error is None
    with pytest.raises(ConnectionClosed, match="closed by this client"):
        await client.call("echo")
    await client.close()


async def test_awaiting_a_client_connects_it(gateway: ScriptedGateway, certificate: tuple[Path, Path]) -> None:
    client = await sdk.connect(gateway.address, openid="alice", ca=certificate[0])
    assert client.connected
    with pytest.raises(RuntimeError, match="started before"):
        await client.start()
    await client.close()
    assert client.closed


async def test_no_hello_if_not_wanted(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect(login=False)
    assert gateway.asked == []
    await client.call("echo")
    assert gateway.asked[0].seq == 1
    assert client.hello is None


async def test_many_calls_in_flight_keep_their_order_and_their_replies(
    gateway: ScriptedGateway, connect: Connect
) -> None:
    client = await connect()
    futures = [client.submit("echo", data=str(n).encode()) for n in range(500)]
    replies = await asyncio.gather(*futures)
    assert [reply.data for reply in replies] == [str(n).encode() for n in range(500)]
    assert [asked.seq for asked in gateway.asked] == list(range(1, 502))
    assert client.stats.replies == 501


async def test_errors_of_the_gateway_have_their_class(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()

    def refuse(asked: Asked) -> None:
        gateway.reply(asked, ErrorMessage(error_code=int(asked.data), error_message="no"), {"retry-after-ms": "30"})

    gateway.answer = refuse
    with pytest.raises(Overloaded) as caught:
        await client.call("x", data=b"503")
    assert caught.value.retry_after == 0.03
    with pytest.raises(DeadlineExceeded):
        await client.call("x", data=b"504")
    with pytest.raises(ReplyError) as other:
        await client.call("x", data=b"418")
    assert other.value.code == 418
    assert client.stats.errors == 3


async def test_an_upstream_code_is_the_applications_business(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    gateway.answer = lambda asked: BusinessResponse(code=404, message="none")
    reply = await client.call("find")
    assert (reply.code, reply.ok) == (404, False)


async def test_a_late_reply_is_acknowledged_and_nobodys(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    gateway.answer = silence
    begun = time.monotonic()
    with pytest.raises(CallTimeout, match=r"'slow' within 0\.1 s"):
        await client.call("slow", timeout=0.1)
    assert 0.09 < time.monotonic() - begun < 10.0
    gateway.reply(gateway.asked[-1], BusinessResponse(code=200))
    await gateway.until(lambda: gateway.acks and gateway.acks[-1] == 2)
    assert client.stats.unmatched_replies == 1
    assert client.stats.timeouts == 1


async def test_timeouts_come_in_their_own_order(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    gateway.answer = silence
    order: list[float] = []
    futures = []
    for timeout in (0.3, 0.1, 0.2, math.inf):
        future = client.submit("slow", timeout=timeout)
        future.add_done_callback(lambda f, t=timeout: order.append(t))  # type: ignore[misc]
        futures.append(future)
    done, _ = await asyncio.wait(futures[:3], timeout=20)
    assert order == [0.1, 0.2, 0.3]
    assert not futures[3].done()
    assert "timeout-ms" not in gateway.asked[-1].headers
    assert all(isinstance(future.exception(), CallTimeout) for future in done)
    futures[3].cancel()
    with pytest.raises(ValueError, match="timeout"):
        client.submit("slow", timeout=0)


async def test_an_own_timeout_header_is_left_alone(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    await client.call("echo", headers={"timeout-ms": "250"}, timeout=9)
    assert gateway.asked[-1].headers["timeout-ms"] == "250"


async def test_what_is_too_large_is_refused_here_and_takes_no_number(
    gateway: ScriptedGateway, connect: Connect
) -> None:
    client = await connect()
    with pytest.raises(TooLarge):
        await client.call("echo", data=bytes(1 << 20))
    await client.call("echo")
    assert [asked.seq for asked in gateway.asked] == [1, 2]


async def test_a_megabyte_gets_through_both_ways(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    data = bytes(range(256)) * 4080
    replies = await asyncio.gather(*(client.submit("echo", data=data) for _ in range(3)))
    assert all(reply.data == data for reply in replies)


async def test_values_that_protobuf_cannot_hold_are_errors_of_the_caller(
    gateway: ScriptedGateway, connect: Connect
) -> None:
    client = await connect()
    with pytest.raises(TypeError):
        client.submit("echo", params={"a": 1})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        client.submit("echo", headers={"a": 1})  # type: ignore[dict-item]
    await client.call("echo")
    assert [asked.seq for asked in gateway.asked] == [1, 2]


async def test_notifies_come_once_in_order_and_are_acknowledged(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    for number in range(100):
        gateway.notify(str(number).encode(), {"extra": "1"})
    seen = []
    async for notify in client.notifies():
        seen.append(notify)
        if len(seen) == 100:
            break
    assert [notify.data for notify in seen] == [str(n).encode() for n in range(100)]
    assert [notify.seq_id for notify in seen] == list(range(2, 102))
    assert (seen[0].type, seen[0].title, seen[0].headers["extra"]) == ("test", "title", "1")
    await gateway.until(lambda: gateway.acks and gateway.acks[-1] == 101)
    assert gateway.acks == sorted(set(gateway.acks))
    assert len(gateway.acks) < 20


async def test_a_single_message_is_acknowledged_soon(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect(heartbeat=30)
    begun = time.monotonic()
    await client.call("echo")
    await gateway.until(lambda: gateway.acks and gateway.acks[-1] == 2)
    assert time.monotonic() - begun < 15.0, "long before the next heartbeat"


async def test_what_was_received_can_be_read_after_the_close(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    gateway.notify(b"last")
    await client.call("echo")
    await client.close()
    assert gateway.acks[-1] == 3
    assert [notify.data async for notify in client.notifies()] == [b"last"]
    with pytest.raises(ConnectionClosed):
        await client.next_notify()


async def test_waiting_for_one_notify(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    with pytest.raises(TimeoutError, match=r"no notify came within 0\.05 s"):
        await client.next_notify(timeout=0.05)
    gateway.notify(b"x")
    assert (await client.next_notify(timeout=5)).data == b"x"
    assert client.pending_notifies == 0


async def test_drain_waits_for_what_is_in_flight(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    gateway.answer = silence
    call = client.submit("slow")
    await gateway.until(lambda: len(gateway.asked) == 2)
    assert not await client.drain(timeout=0.05)
    with pytest.raises(Draining):
        await client.call("echo")
    waiting = asyncio.create_task(client.drain())
    gateway.reply(gateway.asked[-1], BusinessResponse(code=200, data=b"done"))
    assert await waiting
    assert call.result().data == b"done"
    await gateway.until(lambda: gateway.acks and gateway.acks[-1] == 2)


async def test_closing_ends_what_is_in_flight(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    gateway.answer = silence
    call = client.submit("slow")
    reader = asyncio.create_task(client.next_notify())
    await gateway.until(lambda: len(gateway.asked) == 2)
    await client.close()
    for waiting in (call, reader):
        with pytest.raises(ConnectionClosed):
            await waiting


async def test_heartbeats_go_out_and_measure_the_way(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect(heartbeat=0.05)
    await gateway.until(lambda: len(gateway.peer.of(RequestType.HEARTBEAT)) >= 3)
    assert client.stats.heartbeats >= 3
    assert client.stats.last_rtt is not None
    assert client.stats.last_rtt < 1.0
    assert len(gateway.peers) == 1


async def test_the_gateways_shorter_interval_counts(gateway: ScriptedGateway, connect: Connect) -> None:
    gateway.heartbeat_interval = 1
    await connect(heartbeat=60)
    await gateway.until(lambda: gateway.peer.of(RequestType.HEARTBEAT), limit=20)


async def test_an_error_about_no_request_is_noted(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    client = await connect()
    from quicgw_fast.codes import PushType
    from tests.client.scripted import push

    gateway.number(push(PushType.ERROR, ErrorMessage(error_code=413, error_message="too long").SerializeToString()))
    gateway.peer.close(CloseCode.PROTOCOL_ERROR)
    event = await states.reach(State.CLOSED)
    assert client.stats.last_error == "413 too long"
    assert isinstance(event.error, ConnectionClosed)
    assert event.error.code == CloseCode.PROTOCOL_ERROR


async def test_a_refused_hello_is_what_connecting_raises(gateway: ScriptedGateway, connect: Connect) -> None:
    gateway.answer = lambda asked: BusinessResponse(code=401, message="who are you")
    with pytest.raises(Unauthorized, match="who are you"):
        await connect()
    await gateway.until(lambda: gateway.peer.ended)
    assert gateway.stops  # nothing is left behind at the gateway


async def test_a_hello_without_answer_ends_in_time(gateway: ScriptedGateway, connect: Connect) -> None:
    gateway.answer = silence
    begun = time.monotonic()
    with pytest.raises((CallTimeout, sdk.ConnectionFailed)):
        await connect(connect_timeout=0.4)
    assert time.monotonic() - begun < 15


async def test_a_callback_that_fails_harms_nobody(gateway: ScriptedGateway, connect: Connect) -> None:
    problems = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context["exception"]))

    def broken(event: object) -> None:
        raise LookupError("mine")

    client = await connect(on_state=broken)
    assert (await client.call("echo")).ok
    assert all(isinstance(problem, LookupError) for problem in problems)
    assert problems


async def test_more_than_the_connection_takes_waits_and_goes_on(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    gateway.answer = lambda asked: BusinessResponse(code=200, data=asked.data[:8])
    futures = [client.submit("echo", data=b"%08d" % number + bytes(60_000)) for number in range(80)]
    small = client.submit("echo", data=b"the last")
    replies = await asyncio.gather(*futures)
    assert [reply.data for reply in replies] == [b"%08d" % number for number in range(80)]
    assert (await small).seq_id == 82
