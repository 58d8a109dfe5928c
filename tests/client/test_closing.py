"""However a client is left, cancelled on the way or not: nobody waits for it afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.client import ConnectionClosed, Draining, State
from quicgw_fast.client.session import ClientSession
from quicgw_fast.codes import CloseCode, RequestType
from quicgw_fast.proto.client_pb2 import BusinessResponse
from tests.support.udp_proxy import UdpProxy

if TYPE_CHECKING:
    from quicgw_fast.client import Client, Notify, Reply
    from quicgw_fast.proto.client_pb2 import ClientRequest
    from tests.client.conftest import Connect, States
    from tests.client.scripted import Asked, Peer, ScriptedGateway


def silence(asked: Asked) -> BusinessResponse | None:
    return None


def ignore(peer: Peer, request: ClientRequest) -> bool:
    return True


async def read(client: Client) -> list[Notify]:
    return [notify async for notify in client.notifies()]


async def assert_ended(client: Client, call: asyncio.Future[Reply], reader: asyncio.Task[list[Notify]]) -> None:
    assert client.closed
    assert not client.connected
    async with asyncio.timeout(20):
        with pytest.raises(ConnectionClosed, match="closed by this client"):
            await call
        assert await reader == []
        with pytest.raises(ConnectionClosed):
            await client.call("echo")
        await client.close()


@pytest.mark.parametrize("how", ["close", "detach"])
async def test_cancelled_while_leaving(gateway: ScriptedGateway, connect: Connect, states: States, how: str) -> None:
    client = await connect(close_timeout=60)
    gateway.answer, gateway.on[RequestType.STOP] = silence, ignore
    call, reader = client.submit("slow"), asyncio.create_task(read(client))
    await gateway.until(lambda: len(gateway.asked) == 2)
    leaving: asyncio.Task[object] = asyncio.create_task(getattr(client, how)())
    if how == "close":
        await gateway.until(lambda: gateway.peer.of(RequestType.STOP))
    else:
        await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await assert_ended(client, call, reader)
    assert states.names[-1] == "closed"
    assert states.names.count("closed") == 1
    if how == "detach":
        assert client.ticket is not None
        assert client.ticket.session_id == "session-1"
        assert not gateway.stops


async def test_cancelled_before_the_first_step(gateway: ScriptedGateway, connect: Connect) -> None:
    """The STOP leaves all the same: what cannot be waited for is still said."""
    client = await connect()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await client.close()
    assert client.closed
    await gateway.until(lambda: gateway.stops)


async def test_two_at_once_say_stop_once(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    await asyncio.gather(client.close(), client.close(), client.close())
    assert len(gateway.stops) == 1


async def test_cancelled_while_connecting(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    gateway.answer = silence
    starting = asyncio.create_task(connect())
    await gateway.until(lambda: gateway.asked)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await gateway.until(lambda: gateway.stops)
    assert states.names == ["connecting", "closed"]


async def test_cancelled_while_draining(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    gateway.answer = silence
    call = client.submit("slow")
    draining = asyncio.create_task(client.drain())
    await gateway.until(lambda: len(gateway.asked) == 2)
    draining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await draining
    with pytest.raises(Draining):
        await client.call("echo")
    assert not call.done()
    await client.close()
    with pytest.raises(ConnectionClosed):
        await call


async def test_the_clients_own_task_is_cancelled(gateway: ScriptedGateway, connect: Connect) -> None:
    """By whoever ends all tasks of the loop: the client is not left half alive."""
    client = await connect()
    gateway.answer = silence
    call = client.submit("slow")
    await gateway.until(lambda: len(gateway.asked) == 2)
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "quicgw client alice"]
    task.cancel()
    async with asyncio.timeout(20):
        with pytest.raises(ConnectionClosed, match="cancelled"):
            await call
    assert client.closed


async def test_a_dead_gateway_costs_close_timeout_and_no_more(gateway: ScriptedGateway, connect: Connect) -> None:
    async with UdpProxy(gateway.listener.address) as proxy:
        client = await connect(address=f"127.0.0.1:{proxy.address[1]}", close_timeout=0.3)
        proxy.blackhole()
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            await client.call("echo", timeout=0.4)
        assert time.monotonic() - begun > 0.39
        begun = time.monotonic()
        await client.close()
        assert 0.29 < time.monotonic() - begun < 5.0


async def test_nothing_follows_stop(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    gateway.start_headers = {"limit-in-flight": "1"}
    gateway.peer.close(CloseCode.INTERNAL)
    await gateway.until(lambda: len(gateway.peers) == 2 and gateway.peer.start)
    gateway.answer = silence
    calls = [client.submit("slow") for _ in range(3)]
    await gateway.until(lambda: len(gateway.asked) == 2)

    def answer_then_stop(peer: Peer, request: ClientRequest) -> bool:
        gateway.reply(gateway.asked[1], BusinessResponse(code=200))  # would make room for the next call
        return False

    gateway.on[RequestType.STOP] = answer_then_stop
    await client.close()
    await asyncio.gather(*calls, return_exceptions=True)
    assert len(gateway.asked) == 2
    kinds = [RequestType(request.type) for request in gateway.peer.requests]
    assert RequestType.BUSINESS not in kinds[kinds.index(RequestType.STOP) :]


async def test_a_token_source_that_never_ends_does_not_hold_up_the_close(connect: Connect) -> None:
    let_go, ended = asyncio.Event(), asyncio.Event()

    async def stubborn() -> str:
        while not let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await let_go.wait()
        ended.set()
        return "late"

    begun = time.monotonic()
    with pytest.raises(ConnectionError, match="token source did not answer"):
        await connect(token=stubborn, connect_timeout=0.1, close_timeout=0.1)
    assert time.monotonic() - begun < 10.0
    let_go.set()
    await asyncio.wait_for(ended.wait(), 10.0)  # by itself


async def test_a_bug_in_the_client_ends_it_and_nobody_waits(
    gateway: ScriptedGateway, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    gateway.answer = lambda asked: BusinessResponse(code=200) if asked.action == "hello" else None
    client = await connect()
    waiting = client.submit("echo", timeout=math.inf)
    monkeypatch.setattr(ClientSession, "claim", bug)  # what the next START says
    gateway.peer.close(CloseCode.INTERNAL)
    with pytest.raises(ConnectionClosed, match="ZeroDivisionError"):
        await waiting
    assert client.closed
    assert [record.getMessage() for record in caplog.records if record.exc_info] == ["client failed"]


async def test_closed_is_told_once(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    client = await connect()
    gateway.peer.close(CloseCode.KICKED)
    await states.reach(State.CLOSED)
    await client.close()
    assert states.names.count("closed") == 1
