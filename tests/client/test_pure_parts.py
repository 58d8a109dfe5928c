"""Backoff, liveness, and where tokens come from."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.client.backoff import Backoff
from quicgw_fast.client.home import SameLoop
from quicgw_fast.client.liveness import Liveness, Pulse
from quicgw_fast.client.options import Reconnect
from quicgw_fast.client.tokens import ClientTokens, refresh_delay


class TestBackoff:
    @given(st.integers(0, 2**32), st.floats(0, 10))
    def test_delays_stay_between_the_wish_and_the_bound(self, seed: int, wish: float) -> None:
        backoff = Backoff(Reconnect(base=0.1, cap=5.0), random.Random(seed))
        for attempt in range(80):
            bound = min(5.0, 0.1 * 2**attempt)
            assert wish <= backoff.next_delay(wish) <= wish + bound

    def test_the_whole_range_is_used(self) -> None:
        backoff = Backoff(Reconnect(base=1.0, cap=1.0), random.Random(1))
        delays = [backoff.next_delay() for _ in range(400)]
        assert min(delays) < 0.05
        assert max(delays) > 0.95

    def test_attempts_end_and_begin_again(self) -> None:
        backoff = Backoff(Reconnect(max_attempts=2))
        assert not backoff.exhausted
        backoff.next_delay()
        backoff.next_delay()
        assert backoff.exhausted
        backoff.reset()
        assert not backoff.exhausted


class TestLiveness:
    def test_a_heartbeat_each_interval_while_answers_come(self) -> None:
        liveness = Liveness(5.0, 3, 0.0)
        for tick in range(1, 20):
            assert liveness.wake_at == 5.0 * tick
            assert liveness.poll(5.0 * tick) is Pulse.SEND
            assert liveness.poll(5.0 * tick) is Pulse.NOTHING
            liveness.sign(5.0 * tick + 0.1)

    @given(st.floats(0.0, 4.99))
    def test_silence_is_noticed_within_three_intervals(self, killed_after: float) -> None:
        liveness = Liveness(5.0, 3, 0.0)
        liveness.sign(killed_after)
        now, pulse = 0.0, Pulse.NOTHING
        while pulse is not Pulse.DEAD:
            now = liveness.wake_at
            pulse = liveness.poll(now)
        assert now == pytest.approx(killed_after + 15.0)

    def test_a_late_sign_saves_the_link(self) -> None:
        liveness = Liveness(5.0, 3, 0.0)
        assert [liveness.poll(now) for now in (5.0, 10.0)] == [Pulse.SEND, Pulse.SEND]
        liveness.sign(14.9)
        assert liveness.poll(15.0) is Pulse.SEND

    def test_a_process_that_slept_asks_first(self) -> None:
        liveness = Liveness(5.0, 3, 0.0)
        assert liveness.poll(1000.0) is Pulse.SEND
        assert liveness.wake_at == 1005.0
        assert liveness.poll(1005.0) is Pulse.DEAD


class TestTokens:
    async def test_a_callable_may_be_plain_or_async(self) -> None:
        async def later() -> str:
            return "async"

        assert await ClientTokens("fixed", SameLoop()).fresh() == "fixed"
        assert await ClientTokens(lambda: "plain", SameLoop()).fresh() == "plain"
        assert await ClientTokens(later, SameLoop()).fresh() == "async"

    async def test_a_refused_token_gives_way_to_the_one_before(self) -> None:
        tokens = ClientTokens("old", SameLoop())
        before = tokens.replace("new")
        assert await tokens.fresh() == "new"
        tokens.restore("new", before)
        assert await tokens.fresh() == "old"
        tokens.replace("newest")
        tokens.restore("new", before)
        assert await tokens.fresh() == "newest"

    async def test_a_callable_stays(self) -> None:
        tokens = ClientTokens(lambda: "made", SameLoop())
        assert tokens.renewable
        assert tokens.replace("given") is None
        tokens.restore("given", None)
        assert await tokens.fresh() == "made"

    def test_the_refresh_comes_well_before_the_end(self) -> None:
        assert refresh_delay(100.0) == 80.0
        assert refresh_delay(0.0) > 0
