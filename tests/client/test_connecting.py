"""The first connection: what passes is waited for within its time, and what is raised is the real cause."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

import quicgw_fast.client as sdk
from quicgw_fast.client import (
    ConnectionClosed,
    ConnectionFailed,
    DeadlineExceeded,
    Overloaded,
    State,
    TooLarge,
    UpstreamError,
)
from quicgw_fast.codes import CloseCode, RequestType
from quicgw_fast.proto.client_pb2 import BusinessResponse, ErrorMessage
from quicgw_fast.transport import Problem
from tests.client.conftest import States
from tests.support.gatekeeper import gatekeeper

if TYPE_CHECKING:
    from quicgw_fast.proto.client_pb2 import ClientRequest
    from tests.client.conftest import Connect
    from tests.client.scripted import Asked, Peer, ScriptedGateway


CONNECTED = 1.5
"""Seconds in which also a busy machine has made a connection, for a test that waits them all."""


def refusing(gateway: ScriptedGateway, code: int, times: int, headers: dict[str, str]) -> Any:
    """Answer the first hellos with an error."""

    def answer(asked: Asked) -> BusinessResponse | None:
        if len(gateway.asked) <= times:
            gateway.reply(asked, ErrorMessage(error_code=code, error_message="not now"), headers)
            return None
        return BusinessResponse(code=200)

    return answer


@pytest.mark.parametrize(
    ("code", "headers"),
    [
        (503, {"retry-after-ms": "50"}),
        (429, {"retry-after-ms": "50"}),
        (500, {"retry-after-ms": "50"}),  # a stop of the gateway broke it off
        (504, {}),
    ],
)
async def test_a_hello_that_there_was_no_room_for_is_said_again(
    gateway: ScriptedGateway, connect: Connect, code: int, headers: dict[str, str]
) -> None:
    gateway.answer = refusing(gateway, code, 3, headers)
    begun = time.monotonic()
    client = await connect(reconnect=False)
    assert client.connected
    assert [asked.action for asked in gateway.asked] == ["hello"] * 4
    assert time.monotonic() - begun >= 3 * int(headers.get("retry-after-ms", 0)) / 1000
    assert len(gateway.peers) == 1


@pytest.mark.parametrize(
    ("code", "headers", "kind"),
    [(504, {}, DeadlineExceeded), (503, {"retry-after-ms": "40"}, Overloaded)],
)
async def test_one_that_never_passes_raises_the_replys_error(
    gateway: ScriptedGateway, connect: Connect, code: int, headers: dict[str, str], kind: type[Exception]
) -> None:
    gateway.answer = refusing(gateway, code, 1000, headers)
    begun = time.monotonic()
    with pytest.raises(kind, match="not now"):
        await connect(connect_timeout=CONNECTED)
    assert time.monotonic() - begun < 10 * CONNECTED
    assert len(gateway.asked) > 1
    assert gateway.stops


async def test_what_comes_too_late_is_not_waited_for(gateway: ScriptedGateway, connect: Connect) -> None:
    gateway.answer = refusing(gateway, 503, 1000, {"retry-after-ms": "60000"})
    begun = time.monotonic()
    with pytest.raises(Overloaded):
        await connect(connect_timeout=40)
    assert time.monotonic() - begun < 20


async def test_a_last_hello_without_time_does_not_hide_why_those_before_it_failed(
    gateway: ScriptedGateway, connect: Connect
) -> None:
    def answer(asked: Asked) -> None:
        if asked.seq == 1:
            gateway.reply(asked, ErrorMessage(error_code=503, error_message="not now"), {"retry-after-ms": "50"})

    gateway.answer = answer
    with pytest.raises(Overloaded, match="not now"):
        await connect(connect_timeout=2)
    assert len(gateway.asked) == 2


async def test_a_service_that_fails_is_told_at_once(gateway: ScriptedGateway, connect: Connect) -> None:
    gateway.answer = refusing(gateway, 500, 1000, {})
    with pytest.raises(UpstreamError):
        await connect()
    assert len(gateway.asked) == 1


async def test_a_hello_gets_the_time_that_is_left(gateway: ScriptedGateway, connect: Connect) -> None:
    gateway.answer = refusing(gateway, 503, 1, {"retry-after-ms": "300"})
    await connect(connect_timeout=5)
    first, second = (int(asked.headers["timeout-ms"]) for asked in gateway.asked)
    assert first <= 5000
    assert second <= first - 300


async def test_a_hello_without_an_answer_is_named(gateway: ScriptedGateway, connect: Connect) -> None:
    gateway.answer = lambda asked: None
    with pytest.raises(ConnectionFailed, match="connected, but hello was not answered within"):
        await connect(connect_timeout=CONNECTED)


async def test_a_start_without_an_answer_is_named(gateway: ScriptedGateway, connect: Connect) -> None:
    gateway.silent = True
    with pytest.raises(ConnectionFailed, match=r"connected, but START was not answered within 1\.5 s"):
        await connect(connect_timeout=CONNECTED)


async def test_a_token_that_does_not_fit_into_start_is_refused_here(gateway: ScriptedGateway, connect: Connect) -> None:
    with pytest.raises(TooLarge, match="over the limit of 4096"):
        await connect(token="x" * 4096)
    assert not gateway.peer.requests


async def test_a_black_hole_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(ConnectionFailed, match="firewall let UDP through") as caught:
            await sdk.connect(address, openid="alice", insecure=True, connect_timeout=0.3)
        assert time.monotonic() - begun < 5, "QUIC itself would try for longer"
    assert caught.value.problem is Problem.NO_ANSWER
    assert address in str(caught.value)


async def test_a_full_gateway_is_no_missing_one(gateway: ScriptedGateway, connect: Connect) -> None:
    await gateway.close()
    await gateway.listen(gateway.files, gatekeeper=gatekeeper(max_connections=1))
    first = await connect()
    with pytest.raises((ConnectionFailed, ConnectionClosed), match="try again later") as caught:
        await connect(connect_timeout=CONNECTED)
    assert "start a gateway" not in str(caught.value)
    assert "full" in str(caught.value)
    await first.close()


async def test_who_finds_a_gateway_full_waits_for_a_place(gateway: ScriptedGateway, connect: Connect) -> None:
    await gateway.close()
    await gateway.listen(gateway.files, gatekeeper=gatekeeper(max_connections=1))
    for _ in range(20):  # by these it measures how soon a place becomes free: within a second
        await (await connect()).close()
    first = await connect()
    states = States()
    waiting = asyncio.create_task(connect(on_state=states))
    refused = await states.reach(State.RECONNECTING)
    assert "full" in str(refused.error)
    await first.close()
    assert (await waiting).connected


async def test_a_gateway_that_closes_as_overloaded_is_full(gateway: ScriptedGateway, connect: Connect) -> None:
    def close(peer: Peer, request: ClientRequest) -> bool:
        peer.close(CloseCode.OVERLOADED, "too many connections")
        return True

    gateway.on[RequestType.START] = close
    with pytest.raises(ConnectionClosed, match=r"too many connections .*try again later") as caught:
        await connect()
    assert caught.value.code == CloseCode.OVERLOADED
    assert caught.value.problem is Problem.FULL


async def test_a_drain_is_shown_as_a_drain(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    client = await connect()
    gateway.listener.stop_accepting()
    gateway.peer.close(CloseCode.DRAINING)
    await states.reach(State.RECONNECTING, count=3)
    errors = [event.error for event in states if event.state is State.RECONNECTING]
    assert isinstance(errors[0], ConnectionClosed)
    assert errors[0].code == CloseCode.DRAINING
    for error in errors[1:]:
        assert isinstance(error, ConnectionFailed)
        assert error.problem is Problem.DRAINING
        assert "is shutting down" in str(error)
    await client.close()


async def test_many_logins_at_a_gateway_with_little_room(gateway: ScriptedGateway, connect: Connect) -> None:
    """Each comes in, in some order, and none is refused: here one hello in two meets a full queue."""

    def answer(asked: Asked) -> BusinessResponse | ErrorMessage | None:
        if asked.seq == 1:
            gateway.reply(asked, ErrorMessage(error_code=503, error_message="busy"), {"retry-after-ms": "20"})
            return None
        return BusinessResponse(code=200)

    gateway.answer = answer
    for _ in range(5):
        client = await connect(reconnect=False)
        assert client.connected
        await client.close()
