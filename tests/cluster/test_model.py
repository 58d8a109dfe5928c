"""Thousands of schedules with a simulated clock: nobody acts beside anybody, and nothing is lost without a word.

``make model-cluster`` plays more of them, from ``SEED`` on.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicgw_fast.cluster import lease
from tests.cluster import model, simulated, toy
from tests.cluster.model import play_seed
from tests.cluster.simulated import Violation

SCHEDULES = int(os.environ.get("SCHEDULES", "60"))
FIRST = int(os.environ.get("SEED", "0"))


def test_schedules_of_faults_break_no_promise() -> None:
    for seed in range(FIRST, FIRST + SCHEDULES):
        play_seed(seed)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(5, 80), st.lists(st.sampled_from(model.FAULTS), max_size=4))
def test_any_schedule_breaks_no_promise(seed: int, steps: int, faults: list[str]) -> None:
    play_seed(seed, steps, faults)


def test_without_faults_no_session_is_lost() -> None:
    for seed in range(20):
        world = play_seed(seed, faults=())
        assert not world.explained
        assert not world.given - set(world.owner)


def test_what_dead_nodes_had_claimed_is_swept() -> None:
    worlds = [play_seed(seed, faults=("die",)) for seed in range(20)]
    assert sum(node.metrics.count("claims_swept") for world in worlds for node in world.nodes.values()) >= 5
    for world in worlds:
        living = {node.full for node in world.nodes.values()}
        for name, value in world.toy.data.items():
            if ":at:" in name:
                assert isinstance(value, dict)
                holders = {claim.partition(" ")[0] for key, claim in value.items() if key != "g"}
                assert holders <= living


def test_a_schedule_is_the_same_each_time() -> None:
    assert list(play_seed(5).log) == list(play_seed(5).log)


@pytest.mark.parametrize("broken", ["lease", "take", "grace", "sweep"])
def test_the_model_finds_what_is_broken(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = model.FAULTS if broken != "grace" else ("forget", "cut")
    if broken == "lease":  # a node that believes in its lease for too long
        monkeypatch.setattr(lease, "DRIFT", -2.0)
    elif broken == "sweep":  # a node that forgets who may be alive
        swept = toy.ToyDirectory._sweep
        everybody = [f"{name}.{start}" for name in simulated.NAMES for start in range(9)]
        monkeypatch.setattr(
            toy.ToyDirectory, "_sweep", lambda self, keys, told: swept(self, keys, ["none:", *told[1:9], *everybody])
        )
    elif broken == "take":  # a directory that lets everybody take
        monkeypatch.setattr(toy.ToyDirectory, "_take", lambda self, keys, arguments: b"ok")
    else:  # one that grants at once, though its data is new
        real = toy.ToyDirectory._claim
        monkeypatch.setattr(toy.ToyDirectory, "_claim", lambda self, keys, told: real(self, keys, [*told[:5], "0"]))
    with pytest.raises(Violation, match="seed"):
        for seed in range(1000):
            play_seed(seed, faults=faults)
