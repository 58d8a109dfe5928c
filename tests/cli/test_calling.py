"""What a call makes of a gateway that refuses, closes or goes away, message by message."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from typer import BadParameter

from quicgw_fast.cli.calling import Caller, Wish
from quicgw_fast.cli.statuses import Status
from quicgw_fast.codes import CloseCode, RequestType
from quicgw_fast.errors import StartupError
from quicgw_fast.transport import development_certificate, makers
from tests.client.scripted import Peer, ScriptedGateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from quicgw_fast.proto.client_pb2 import ClientRequest

WISH = Wish("echo", {}, b"word", {}, timeout=10.0, wait=0.0)
WAITING = Wish("echo", {}, b"word", {}, timeout=10.0, wait=10.0)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return development_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def gateway(files: tuple[Path, Path]) -> AsyncIterator[ScriptedGateway]:
    made = await ScriptedGateway(makers.DEFAULT).listen(files)
    yield made
    await made.close()


def caller(gateway: ScriptedGateway, token: str = "") -> Caller:
    return Caller(gateway.address, "alice", token, gateway.files[0], insecure=False)


async def advice(gateway: ScriptedGateway, token: str = "", wish: Wish = WISH) -> str:
    with pytest.raises(StartupError) as failed:
        await caller(gateway, token).call(wish, as_json=False)
    return str(failed.value)


@pytest.mark.parametrize(
    ("token", "told"),
    [("", "the gateway needs a token: give --token (see quicgw gentoken)"), ("bad", "the token is no JWT")],
)
async def test_a_refused_token(
    gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str], token: str, told: str
) -> None:
    def refuse(peer: Peer, request: ClientRequest) -> bool:
        gateway.refuse_start(peer, request, 401, CloseCode.AUTH_FAILED)
        return True

    gateway.on[RequestType.START] = refuse
    assert await caller(gateway, token).call(WISH, as_json=False) == Status.NO
    assert f"error 401 refused (START or hello was refused; {told}" in capsys.readouterr().out


async def test_a_refused_token_whose_refusal_was_lost_on_the_way(gateway: ScriptedGateway) -> None:
    """A close makes QUIC forget what it would have sent again."""

    def close(peer: Peer, request: ClientRequest) -> bool:
        peer.close(CloseCode.AUTH_FAILED)
        return True

    gateway.on[RequestType.START] = close
    assert (await advice(gateway, "bad")).startswith("connection closed: AUTH_FAILED: test; the token is no JWT")


async def test_another_refusal_says_nothing_about_tokens(
    gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(peer: Peer, request: ClientRequest) -> bool:
        gateway.refuse_start(peer, request, 403, CloseCode.SUPERSEDED)
        return True

    gateway.on[RequestType.START] = refuse
    assert await caller(gateway).call(WISH, as_json=False) == Status.NO
    assert capsys.readouterr().out == "error 403 refused (START or hello was refused)\n"


async def test_a_connection_that_ends_before_the_answer_is_a_failure_in_the_gateways_words(
    gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    def kick(peer: Peer, request: ClientRequest) -> bool:
        if len(gateway.asked) == 0:  # hello
            return False
        peer.close(CloseCode.SUPERSEDED)
        return True

    gateway.on[RequestType.BUSINESS] = kick
    assert await advice(gateway) == "connection closed: SUPERSEDED: test"
    assert capsys.readouterr().out == ""


async def test_a_connection_that_ends_after_the_answer_is_told_and_changes_nothing(
    gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    calling = asyncio.create_task(caller(gateway).call(WAITING, as_json=False))
    await gateway.until(lambda: len(gateway.asked) == 2)  # hello and echo
    gateway.notify(b"on the way")
    gateway.peer.close(CloseCode.KICKED)
    assert await calling == Status.DONE
    assert capsys.readouterr().out.splitlines() == [
        "reply 2 200 echo",
        "word",
        "notify 3 [test] title",
        "on the way",
        "connection closed: KICKED: test",
    ]


async def test_what_only_the_client_can_tell_is_wrong_usage(gateway: ScriptedGateway) -> None:
    with pytest.raises(BadParameter, match="token has a character that UTF-8 cannot hold"):
        await caller(gateway, "\udcff").call(WISH, as_json=False)
    assert gateway.peers == []
