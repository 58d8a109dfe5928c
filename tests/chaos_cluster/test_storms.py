"""Nodes, directory, ways and network break as a seed draws it: exactly once, in order, or one explicit reset.

``make chaos-cluster`` plays many seeds for long. A failure says its seed, and that has the same schedule again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.chaos_cluster import tales
from tests.chaos_cluster.judging import judge, told
from tests.chaos_cluster.play import playing
from tests.chaos_cluster.storms import ALL, Storm, schedule

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = int(os.environ.get("CHAOS_SEEDS", "0"))
FIRST = int(os.environ.get("CHAOS_FIRST", "1"))
SECONDS = float(os.environ.get("CHAOS_SECONDS", "20"))
KINDS = tuple(os.environ["CHAOS_KINDS"].split(",")) if os.environ.get("CHAOS_KINDS") else ALL
LEASE = float(os.environ.get("CHAOS_LEASE", "1.0"))


@pytest.mark.timeout(0 if SEEDS else 60)
@pytest.mark.parametrize("seed", range(FIRST, FIRST + max(1, SEEDS)))
async def test_a_storm(tmp_path: Path, certificate: tuple[Path, Path], seed: int) -> None:
    deeds = schedule(seed, SECONDS if SEEDS else 6.0, LEASE, KINDS)
    tables = "[drain]\ndelay = 0\n[processor]\ndrain_timeout = 2" + os.environ.get("CHAOS_TABLES", "")
    async with playing(tmp_path, certificate, seed=seed, lease=LEASE, tables=tables) as (town, proxy, load):
        storm = Storm(town, proxy, seed)
        await storm.run(deeds)
        problems = []
        try:
            await load.all_answered(LEASE + 8)
            await load.stop()
            await load.settled(15)
        except AssertionError as error:
            problems.append(str(error))
        print(f"seed {seed}: {told(load)}")
        problems += judge(load)
        tales.write(load, tmp_path)
    problems += town.faults()
    assert not problems, "\n".join([*storm.done, f"seed {seed}, {tmp_path}", *problems[:30]])
