"""Random lives of one openid against a simple oracle: exactly once, in order, or an explicit reset with an exact gap.

The oracle is a list of what the session must have sent so far, and plain rules from protocol §2, §4 and §5 for what
comes next. The gateway's side is everything real but the connection, the service and the clock (``house``). A client
reads what is on its connection only sometimes, loses connections with unread messages on them, acknowledges what it
has or what it has not, comes back with its number or with a wrong one; services push, bind, broadcast and answer in any
order meanwhile. Runs on both engines.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from quicgw_fast.codes import ResetReason
from tests.flow.lives import Lives
from tests.flow.oracle import WRONG

if TYPE_CHECKING:
    from collections.abc import Callable

ENGINES = ("rust", "python")

FEW = settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
)
"""The same lives each time, in a few seconds. Add ``Phase.shrink`` (minutes) to see a short life that fails."""


@pytest.mark.timeout(300)  # ten seconds, but of a processor that others may want too
@pytest.mark.parametrize("maker", ENGINES)
def test_exactly_once_in_order_or_an_explicit_reset(maker: str) -> None:
    machine = type(f"LivesOn{maker.title()}", (Lives,), {"maker": maker})
    run_state_machine_as_test(machine, settings=FEW)


def walk(lives: Lives, chance: random.Random) -> None:
    """One step of a life as it usually goes: hypothesis tries the unusual ones."""
    life, client, waiting = lives.life, lives.client, lives.house.upstream.waiting
    steps: list[tuple[int, Callable[[], None]]] = [
        (12, lambda: lives.push_now(count=chance.randint(1, 3))),
        (2, lives.broadcast),
        (1, lambda: lives.pass_time(seconds=chance.choice([1.0, 1.0, 20.0, 61.0]))),
    ]
    if life is not None:
        steps += [
            (12, lambda: lives.bind(before=chance.random() < 0.6, ahead=chance.randint(-2, 3))),
            (1, lambda: lives.come_back_with_less(back=chance.randint(1, 4), by_session=chance.random() < 0.5)),
            (1, lives.somebody_else_claims_the_session),
        ]
    if waiting("slow"):
        steps += [(15, lambda: lives.the_service_answers(which=chance.randint(0, 2)))]
    if waiting("hello"):
        steps += [(20, lambda: lives.the_login_is_answered(which=0, code=chance.choice([200, 200, 403])))]
    if lives.fenced:
        steps += [(1, lambda: lives.an_old_connection_goes_on_talking(which=chance.randint(0, 99)))]
    if client is None:
        steps += [
            (16, lambda: lives.come_back(by_session=chance.random() < 0.6)),
            (1, lambda: lives.pass_time(seconds=121.0)),
            (2, lambda: lives.come_back_wrongly(kind=chance.choice(WRONG), by_session=chance.random() < 0.5)),
        ]
    else:
        steps += [
            (12, lives.keep_up),
            (12, lambda: lives.read(count=chance.randint(1, 5))),
            (8, lambda: lives.acknowledge(less=chance.randint(0, 3))),
            (14, lambda: lives.call(first=chance.randint(1, 3), count=chance.randint(1, 3))),
            (3 if lives.alive.logged_in else 15, lives.hello),
            (2, lambda: lives.call_with_a_wrong_number(off=chance.choice([0, 2]))),
            (3, lives.stall),
            (6, lives.lose_the_connection),
            (1, lambda: lives.acknowledge_the_future(more=chance.randint(1, 3))),
            (1, lambda: lives.come_back(by_session=True)),
        ]
        steps += [(1, chance.choice([lives.stop, lives.start_afresh]))] if chance.random() < 0.3 else []
    chance.choices([step for _, step in steps], [weight for weight, _ in steps])[0]()
    lives.the_gateway_agrees_with_the_oracle()
    lives.nothing_is_sent_on_an_old_connection()
    lives.the_open_connection_is_well()


@pytest.mark.parametrize("maker", ENGINES)
@pytest.mark.parametrize("seed", range(10))
def test_long_lives(maker: str, seed: int) -> None:
    chance = random.Random(seed)
    lives = type("LongLives", (Lives,), {"maker": maker})()
    try:
        lives.set_out(login=True)
        for _ in range(500):
            walk(lives, chance)
    finally:
        lives.teardown()


def test_long_lives_are_full_of_events() -> None:
    """A test of the test: what the walks meet, so that a change of the weights does not leave something out."""
    met: Counter[str] = Counter()

    class Watched(Lives):
        def judge(self, last_acked: int, session_id: str, epoch: str) -> tuple[ResetReason | None, dict[str, str]]:
            reason, gap = super().judge(last_acked, session_id, epoch)
            met.update([reason.name if reason is not None else "resumed"])
            met.update(name for name, value in gap.items() if value != "0")
            return reason, gap

        def reply(self, seq: int, text: str) -> bool:
            sent = super().reply(seq, text)
            met.update(["reply" if sent else "reply lost", "attached" if self.client else "detached"])
            return sent

    for seed in range(3):
        chance = random.Random(seed)
        lives = Watched()
        lives.set_out(login=True)
        for _ in range(500):
            walk(lives, chance)
        lives.teardown()
    print(sorted(met.items()))
    reasons = {reason.name for reason in ResetReason if reason is not ResetReason.NODE_LOST}  # one gateway has no nodes
    assert set(met) >= reasons | {"resumed", "reply", "reply lost", "detached"}
    assert met["gap-responses"] and met["gap-notifies"] and met["gap-unnumbered"] and met["gap-unanswered"]
