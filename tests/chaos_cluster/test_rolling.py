"""A rolling restart of all nodes under load: no reset, nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from tests.chaos_cluster.judging import judge, told
from tests.chaos_cluster.play import playing

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = int(os.environ.get("ROUNDS", "1"))


@pytest.mark.timeout(0 if ROUNDS > 1 else 60)
async def test_a_rolling_restart_resets_nobody(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    tables = "[drain]\ndelay = 0\n[processor]\ndrain_timeout = 5"
    async with playing(tmp_path, certificate, seed=1, lease=3.0, players=8 if ROUNDS > 1 else 5, tables=tables) as (
        town,
        _,
        load,
    ):
        for _ in range(ROUNDS):
            for node in town.nodes:
                await node.stop()
                await node.start()
                await node.ready()
                await asyncio.sleep(0.1)
        await load.stop()
        await load.settled(10)
        await load.all_answered(10)
        print(told(load))
        problems = judge(load)
        for player in load.players.values():
            chapters = player.client.history.chapters
            if len(chapters) > 1:
                problems.append(f"{player.openid}: {[chapter.reason for chapter in chapters[1:]]}")
    problems += town.faults()
    assert not problems, "\n".join(problems[:30])
