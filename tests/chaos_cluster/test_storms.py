"""Nodes, directory, ways and network break as a seed draws it: exactly once, in order, or one explicit reset.

``make chaos-cluster`` plays many seeds, each for long; KINDS, LEASE and RETAIN in the environment choose what happens,
how soon a node counts as dead, and ``cluster.retain``. What fails says how to have the same schedule again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.chaos_cluster import tales
from tests.chaos_cluster.judging import judge, told
from tests.chaos_cluster.play import playing
from tests.chaos_cluster.storms import KINDS, Storm, schedule

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = int(os.environ.get("CHAOS_SEEDS", "0"))
"""How many are played; 0 for the short run."""
FIRST = int(os.environ.get("CHAOS_SEED", "259"))
"""That of the short run has something of everything."""
SECONDS = float(os.environ.get("CHAOS_SECONDS", "4"))
SOME_KINDS = tuple(kind for kind in os.environ.get("KINDS", "").split(",") if kind)
RETAIN = os.environ.get("RETAIN", "memory")
LEASE = float(os.environ.get("LEASE", "1.0"))
CALM_WITHIN = LEASE + 15.0
"""Seconds in which everybody is served again: a directory whose data is new grants nothing for one lease."""
TABLES = "[drain]\ndelay = 0\n[processor]\ndrain_timeout = 2"


@pytest.mark.timeout(0 if SEEDS else 60)
@pytest.mark.parametrize("seed", range(FIRST, FIRST + max(1, SEEDS)))
async def test_a_storm(tmp_path: Path, certificate: tuple[Path, Path], seed: int) -> None:
    deeds = schedule(seed, SECONDS, LEASE, SOME_KINDS or KINDS)
    problems = []
    async with playing(tmp_path, certificate, seed=seed, lease=LEASE, retain=RETAIN, tables=TABLES) as (
        town,
        proxy,
        load,
    ):
        storm = Storm(town, proxy, seed)
        await storm.run(deeds)
        try:
            await load.all_answered(CALM_WITHIN)
            await load.stop()
            await load.settled(15)
        except AssertionError as error:
            problems.append(str(error))
        print(f"seed {seed}: {told(load)}")
        problems += judge(load)
        tales.write(load, tmp_path)
    problems += town.faults()
    again = f"again: make chaos-cluster SEED={seed} SEEDS=1 SECONDS={SECONDS:g}; logs and diaries are in {tmp_path}"
    assert not problems, "\n".join([*storm.done, again, *problems[:30]])
