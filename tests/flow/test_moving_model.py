"""Lives that move between two gateways at any moment, one on each engine, against the same oracle as lives that stay.

What the oracle of ``test_model`` asks of one gateway is asked of two here: that a session moved is nothing that its
client or its services can tell by numbers, replies, notifies or gap reports.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.flow.street import Movers
from tests.flow.test_model import ENGINES, FEW, walk

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.timeout(300)  # as in test_model
@pytest.mark.parametrize("maker", ENGINES)
def test_exactly_once_in_order_or_an_explicit_reset(maker: str) -> None:
    machine = type(f"MoversFrom{maker.title()}", (Movers,), {"maker": maker})
    run_state_machine_as_test(machine, settings=FEW)


@pytest.mark.parametrize("maker", ENGINES)
@pytest.mark.parametrize("seed", range(4))
def test_long_lives(maker: str, seed: int) -> None:
    chance = random.Random(seed)
    lives = type("LongMovers", (Movers,), {"maker": maker})()
    moves: Callable[[bool], None] = lives.go_elsewhere
    try:
        lives.set_out(login=True)
        for _ in range(500):
            walk(lives, chance)
            if lives.waits_for_the_other() and chance.random() < 0.05:
                lives.the_other_house_is_lost()
                lives.the_gateway_agrees_with_the_oracle()
            if lives.life is not None and chance.random() < 0.1:
                moves(chance.random() < 0.3)
                lives.nothing_is_left_behind()
                lives.the_gateway_agrees_with_the_oracle()
    finally:
        lives.teardown()
    assert lives.generation > 20
