"""One process after the other, on the same ports."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.errors import StartupError
from quicgw_fast.upgrading import Estate, UpgradeRefused
from tests.support import wire
from tests.support.parts import Parts
from tests.upgrading.pair import WITHIN, Pair

if TYPE_CHECKING:
    from pathlib import Path


async def view(pair: Pair) -> Any:
    def ask() -> Any:
        with urllib.request.urlopen(f"http://{pair.first.addresses.admin}/upgrade", timeout=WITHIN) as answer:
            return json.load(answer)

    return await asyncio.to_thread(ask)


async def test_sessions_go_from_process_to_process(parts: Parts, certificate: tuple[Path, Path]) -> None:
    """Whether their clients are there or away."""
    async with Pair(parts, certificate) as pair:
        client, away = await pair.online("alice"), await pair.online("away")
        away.abandon()
        for number in range(3):
            answer = await pair.upgrade()
            assert (answer["sessions"], answer["pid"]) == (2, 102 + number)
            client = await pair.back(client)
            reply = wire.business(await client.call("echo", data=b"again"))
            assert (reply.code, reply.data) == (200, b"again")
            assert client.last_seq == 2 + number, "numbers go on"
            await pair.ended(number)
            stats = pair.generations[number].gateway.stats()["counters"]
            assert (stats["sessions_departed"], stats["sessions_departed_lapsed"]) == (2, 0)
            assert await view(pair) == {"version": 1, "pid": 102 + number, "predecessor": False, "sessions_left": None}
        assert away.started is not None
        named = {"session_id": away.started.connection_id, "epoch": away.started.epoch, "last_acked": 1}
        back = await pair.online("away", **named)
        assert back.started is not None
        assert back.started.resumed


async def test_there_is_one_upgrade_at_a_time(certificate: tuple[Path, Path]) -> None:
    async with Pair(Parts(), certificate, drain={"pace": 1}) as pair:
        await pair.online("alice")
        first = pair.first._succession
        assert first is not None
        beginning = asyncio.create_task(first.upgrade())
        await asyncio.sleep(0)
        with pytest.raises(UpgradeRefused, match="an upgrade is under way"):
            await first.upgrade()
        await beginning
        with pytest.raises(UpgradeRefused, match="has not ended yet"):
            await pair.upgrade()
        assert await view(pair) == {"version": 1, "pid": 102, "predecessor": True, "sessions_left": 1}
        await pair.ended(0)
        with pytest.raises(UpgradeRefused, match="the gateway stops"):
            await first.upgrade()


async def test_a_configuration_that_is_wrong_changes_nothing(certificate: tuple[Path, Path]) -> None:
    async with Pair(Parts(), certificate) as pair:
        client = await pair.online("alice")
        address = pair.tables
        for wrong, told in (
            ({"server": {"quic": "127.0.0.1:1"}}, 'server.quic = "127.0.0.1:1" needs a restart'),
            ({"auth": {"mode": "jwt", "key_file": "/absent"}}, "auth.key_file"),
        ):
            pair.tables = wrong
            with pytest.raises(UpgradeRefused, match="the successor could not start") as refused:
                await pair.upgrade()
            assert told in str(refused.value)
        pair.tables = address
        assert wire.business(await client.call("echo")).code == 200
        await pair.upgrade()
        await pair.back(client)


async def test_where_there_can_be_no_successor_a_sentence_says_so(certificate: tuple[Path, Path]) -> None:
    async with Pair(Parts(), certificate, offline={"store": "memory"}) as pair:
        with pytest.raises(UpgradeRefused, match=r'offline.store = "memory" belongs to one process'):
            await pair.upgrade()


def test_an_estate_is_read_as_it_was_written() -> None:
    estate = Estate(3, 4, 5, 6, 7, "a:1", "b:2", "c:3", "/tmp/x", "process-1")
    assert Estate.parse(estate.text()) == estate
    with pytest.raises(StartupError, match="given by a gateway to its successor"):
        Estate.parse('{"quic": 1}')
