from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.client import ConnectionClosed, connect
from quicgw_fast.codes import CloseCode
from tests.cli.process import Gateway, assert_one_sentence, in_process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.world import WorldMaker


async def test_a_gateway_stops_as_if_by_sigterm() -> None:
    with Gateway("dev") as gateway:
        client = connect(gateway.quic, openid="drained", insecure=True, reconnect=False)
        async with client:
            slow = asyncio.ensure_future(client.call("sleep", params={"ms": "2500"}))
            await client.call("echo")  # and so the other one is there as well
            done = await asyncio.to_thread(in_process, "drain", "--wait", "--admin", gateway.admin)
            assert (done.returncode, done.stdout[:12]) == (0, "ended after "), done.stderr
            assert "1 request open" in done.stderr
            assert (await slow).ok, "what was accepted is answered"
            with pytest.raises(ConnectionClosed) as closed:
                await client.call("echo")
            assert closed.value.code == CloseCode.DRAINING
        assert gateway.ended()[0] == 0


def test_asking_again_and_a_first_signal_change_nothing() -> None:
    with Gateway("dev", extra={"QUICGW_DRAIN__DELAY": "3s"}) as gateway:
        told = json.loads(in_process("drain", "--admin", gateway.admin, "--json").stdout)
        assert told == {"version": 1, "draining": True, "at_most": 33.0}
        assert in_process("drain", "--admin", gateway.admin).stdout == "drains, at most 33 s\n"
        gateway.process.terminate()
        began = time.monotonic()
        assert gateway.ended()[0] == 0
        assert time.monotonic() - began > 0.1, "it was not ended at once"


async def test_a_gateway_inside_of_another_program_is_not_ended(make_world: WorldMaker) -> None:
    world = await make_world()
    done = await asyncio.to_thread(in_process, "drain", "--admin", world.gateway.addresses.admin)
    assert (done.returncode, done.stdout.startswith("refused: this gateway runs inside")) == (1, True)
    await world.online("still-there")


def test_without_a_token_nobody_ends_a_gateway(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("0123456789abcdef\n")
    tokens.chmod(0o600)
    with Gateway("dev", extra={"QUICGW_CONTROL__ADMIN_TOKEN_FILE": str(tokens)}) as gateway:
        assert_one_sentence(in_process("drain", "--admin", gateway.admin), "--token-file")
        assert gateway.process.poll() is None
        assert in_process("drain", "--admin", gateway.admin, "--token-file", str(tokens)).returncode == 0
        assert gateway.ended()[0] == 0


def test_an_address_with_nobody() -> None:
    assert_one_sentence(in_process("drain", "--wait", "--admin", "127.0.0.1:9"), "--admin")
