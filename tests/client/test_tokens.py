"""Tokens: at each START, refreshed by hand, and by themselves."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.client import CallTimeout, ConnectionFailed, QuicgwClientError, State, Unauthorized
from quicgw_fast.codes import CloseCode, PushType, RequestType
from quicgw_fast.proto.client_pb2 import ClientRequest, ErrorMessage
from tests.client.scripted import Peer, ScriptedGateway, push

if TYPE_CHECKING:
    from tests.client.conftest import Connect, States


def accept(peer: Peer, request: ClientRequest) -> bool:
    """Take the token of a refresh."""
    token = request.headers.get("auth-token")
    if token is None:
        return False
    peer.gateway.tokens.append(token)
    peer.gateway.pong(peer, request, {"auth-refresh": "ok", "token-expires-in": "1"})
    return True


def refuse(numbered: bool) -> object:
    def hook(peer: Peer, request: ClientRequest) -> bool:
        if "auth-token" not in request.headers:
            return False
        error = ErrorMessage(error_code=401, error_message="bad token").SerializeToString()
        message = push(PushType.ERROR, error, msg_id=request.msg_id)
        if numbered:
            peer.gateway.number(message)
        else:
            peer.send(message)
        return True

    return hook


async def test_each_start_gets_a_fresh_token(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    count = itertools.count(1)

    async def source() -> str:
        await asyncio.sleep(0)
        return f"token-{next(count)}"

    await connect(token=source)
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RESUMED)
    assert gateway.tokens == ["token-1", "token-2"]


async def test_an_expired_token_is_replaced_by_a_fresh_one(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect(token=lambda: "fresh")
    gateway.peer.close(CloseCode.TOKEN_EXPIRED)
    assert (await client.call("echo")).ok
    assert states.names == ["connecting", "connected", "reconnecting", "resumed"]


async def test_a_source_that_fails(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    tokens = iter(["one", None, "three"])

    def source() -> str:
        token = next(tokens)
        if token is None:
            raise LookupError("vault is closed")
        return token

    client = await connect(token=source)
    gateway.peer.close(CloseCode.INTERNAL)
    assert (await client.call("echo")).ok
    failures = [event.error for event in states if event.state is State.RECONNECTING]
    assert isinstance(failures[1], ConnectionFailed)
    assert isinstance(failures[1].__cause__, LookupError)
    assert gateway.tokens == ["one", "three"]

    def broken() -> str:
        raise LookupError("no vault")

    with pytest.raises(ConnectionFailed, match="no vault"):
        await connect(token=broken)


async def test_refresh_by_hand(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    client = await connect(token="old")
    gateway.on[RequestType.HEARTBEAT] = accept
    await client.refresh_token("new")
    assert len(gateway.peers) == 1
    assert client.stats.refreshes == 1
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RESUMED)
    assert gateway.tokens == ["old", "new", "new"]


@pytest.mark.parametrize("numbered", [False, True])
async def test_a_refused_refresh_leaves_the_old_token(
    gateway: ScriptedGateway, connect: Connect, states: States, numbered: bool
) -> None:
    client = await connect(token="old")
    gateway.on[RequestType.HEARTBEAT] = refuse(numbered)  # type: ignore[assignment]
    with pytest.raises(Unauthorized):
        await client.refresh_token("bad")
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RESUMED)
    assert gateway.tokens == ["old", "old"]
    assert (await client.call("echo")).seq_id == (3 if numbered else 2)


async def test_a_gateway_that_cannot_refresh(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect(token="old")
    with pytest.raises(QuicgwClientError, match="cannot refresh"):
        await client.refresh_token("new")
    gateway.on[RequestType.HEARTBEAT] = lambda peer, request: True
    with pytest.raises(CallTimeout):
        await client.refresh_token("new", timeout=0.1)


async def test_a_refresh_that_loses_its_connection_is_done_by_the_next_start(
    gateway: ScriptedGateway, connect: Connect
) -> None:
    client = await connect(token="old")

    def cut(peer: Peer, request: ClientRequest) -> bool:
        peer.close(CloseCode.INTERNAL)
        return True

    gateway.on[RequestType.HEARTBEAT] = cut
    await client.refresh_token("new")
    assert gateway.tokens == ["old", "new"]


async def test_refresh_by_itself_before_the_token_expires(gateway: ScriptedGateway, connect: Connect) -> None:
    count = itertools.count(1)
    gateway.start_headers = {"token-expires-in": "0"}
    gateway.on[RequestType.HEARTBEAT] = accept
    client = await connect(token=lambda: f"token-{next(count)}")
    await gateway.until(lambda: len(gateway.tokens) >= 3)
    assert gateway.tokens[:3] == ["token-1", "token-2", "token-3"]
    assert len(gateway.peers) == 1
    assert client.stats.refreshes >= 1


async def test_an_automatic_refresh_that_fails_is_tried_again(gateway: ScriptedGateway, connect: Connect) -> None:
    gateway.start_headers = {"token-expires-in": "1"}
    tokens = iter(["one", None, "three"])

    def source() -> str:
        token = next(tokens)
        if token is None:
            raise LookupError("vault is closed")
        return token

    gateway.on[RequestType.HEARTBEAT] = accept
    await connect(token=source)
    await gateway.until(lambda: gateway.tokens == ["one", "three"])


async def test_closing_ends_a_refresh(gateway: ScriptedGateway, connect: Connect, states: States) -> None:
    client = await connect(token="old")
    gateway.silent = True
    refresh = asyncio.create_task(client.refresh_token("new"))
    await gateway.until(lambda: gateway.peer.of(RequestType.HEARTBEAT))
    await gateway.listener.close(CloseCode.KICKED)
    with pytest.raises(QuicgwClientError, match="KICKED"):
        await refresh
    with pytest.raises(QuicgwClientError, match="KICKED"):
        await client.refresh_token("newer")


async def test_a_refresh_in_the_turn_in_which_the_link_ends_is_done_by_the_next_start(
    gateway: ScriptedGateway, connect: Connect
) -> None:
    client = await connect(token="old")
    link = client._runner.link if client._runner is not None else None
    assert link is not None
    link.drop("cut")  # its end is known here, and only in the loop's next turn to the client
    begun = time.monotonic()
    await client.refresh_token("new", timeout=40)
    assert time.monotonic() - begun < 20
    assert gateway.tokens == ["old", "new"]


async def test_such_a_refresh_fails_at_once_when_nobody_comes_back(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect(token="old", reconnect=False)
    assert client._runner is not None
    assert client._runner.link is not None
    client._runner.link.drop("cut")
    begun = time.monotonic()
    with pytest.raises(QuicgwClientError):
        await client.refresh_token("new", timeout=40)
    assert time.monotonic() - begun < 20


async def test_a_start_that_was_on_its_way_with_the_old_token_does_not_count(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect(token="old")
    held: list[tuple[Peer, ClientRequest]] = []

    def hold(peer: Peer, request: ClientRequest) -> bool:
        held.append((peer, request))
        return True

    gateway.on[RequestType.START] = hold
    gateway.on[RequestType.HEARTBEAT] = accept
    gateway.peer.close(CloseCode.INTERNAL)
    await gateway.until(lambda: held)
    refresh = asyncio.create_task(client.refresh_token("new", timeout=10))
    await asyncio.sleep(0)
    del gateway.on[RequestType.START]
    gateway.take(*held[0])
    await refresh
    assert gateway.tokens == ["old", "old", "new"]
    assert len(gateway.peers) == 2


async def test_the_sources_own_timeout_is_its_own(gateway: ScriptedGateway, connect: Connect) -> None:
    working = True

    def source() -> str:
        if not working:
            raise TimeoutError("the vault does not answer")
        return "token"

    client = await connect(token=source)
    working = False
    with pytest.raises(TimeoutError, match="vault"):
        await client.refresh_token(timeout=30)


async def test_a_lifetime_that_no_clock_holds(gateway: ScriptedGateway, connect: Connect) -> None:
    gateway.start_headers = {"token-expires-in": "9" * 15}
    client = await connect(token=lambda: "token")
    assert (await client.call("echo")).ok
