"""Refused tokens are limited per address, and a good one always gets through."""

from __future__ import annotations

import random

import pytest

from quicgw_fast.overload import AttemptLimiter
from quicgw_fast.overload.attempts import ALL, OTHERS, SUSPECT, SUSPECTS

ADDRESS = "192.0.2.1"


def over_its_limit(now: float, address: str = ADDRESS, openid: str = "alice", **options: int) -> AttemptLimiter:
    limiter = AttemptLimiter(**options)
    while not limiter.over(address, now):
        limiter.failed(address, openid, now)
    return limiter


def admitted(limiter: AttemptLimiter, openid: str, now: float, tries: int, address: str = ADDRESS) -> int:
    """How many of so many tries at once are looked at."""
    return sum(limiter.admit(address, openid, now) == 0.0 for _ in range(tries))


def test_ten_failures_a_minute_are_the_limit_until_the_oldest_is_a_minute_ago() -> None:
    limiter = AttemptLimiter()
    over = []
    for n in range(10):
        limiter.failed(ADDRESS, "alice", now=1000.0 + n)
        over.append(limiter.over(ADDRESS, 1000.0 + n))
    assert over == [False] * 9 + [True]
    assert not limiter.over("192.0.2.2", 1010.0)
    assert limiter.over(ADDRESS, 1059.9)
    assert not limiter.over(ADDRESS, 1060.0)
    # The window slides: the second failure is still counted.
    limiter.failed(ADDRESS, "alice", 1060.0)
    assert limiter.over(ADDRESS, 1060.0)


def test_under_the_limit_everything_is_looked_at() -> None:
    limiter = AttemptLimiter(limit=2)
    limiter.failed(ADDRESS, "alice", 0.0)
    assert admitted(limiter, "alice", 0.0, 1000) == 1000


def test_over_the_limit_a_guessed_openid_is_looked_at_rarely() -> None:
    limiter = over_its_limit(0.0)
    assert admitted(limiter, "alice", 0.0, 100) == SUSPECT.burst
    looked_at = 0
    for step in range(1, 1001):
        now = step / 100
        if limiter.admit(ADDRESS, "alice", now) == 0.0:
            looked_at += 1
            limiter.failed(ADDRESS, "alice", now)
    assert looked_at == pytest.approx(10 * SUSPECT.per_second, abs=1)


def test_the_wait_that_is_told_is_enough() -> None:
    for openid in ("alice", "bob"):
        limiter = over_its_limit(0.0)
        now = 0.0
        while not (wait := limiter.admit(ADDRESS, openid, now)):
            pass
        assert 0.0 < wait <= 1.0
        assert limiter.admit(ADDRESS, openid, now + wait) == 0.0


def test_somebody_else_behind_the_address_is_looked_at_however_often_it_guesses() -> None:
    limiter = over_its_limit(0.0)
    for step in range(1000):
        now = step / 1000
        limiter.admit(ADDRESS, "alice", now)
        limiter.failed(ADDRESS, "alice", now)
    assert admitted(limiter, "bob", 1.0, 10) == 10


def test_an_address_that_guesses_for_many_openids_is_bounded_and_others_still_get_through() -> None:
    """The worst case for who shares its address: as many guesses as handshakes are allowed, each for a new openid."""
    limiter, chance = over_its_limit(0.0), random.Random(1)
    looked_at, now, tries = 0, 0.0, 0
    while True:
        now += chance.expovariate(200.0)
        openid = f"user-{chance.randrange(10**9)}"
        if limiter.admit(ADDRESS, openid, now) == 0.0:
            looked_at += 1
            limiter.failed(ADDRESS, openid, now)
        if now > tries + 1:
            tries += 1
            if limiter.admit(ADDRESS, "bob", now + chance.expovariate(400.0)) == 0.0:
                break
    assert tries < 60
    assert looked_at <= (tries + 2) * OTHERS.per_second + OTHERS.burst


def test_all_addresses_over_their_limit_share_one_rate() -> None:
    limiter = AttemptLimiter(limit=1)
    addresses = [f"198.51.100.{n}" for n in range(100)]
    for address in addresses:
        limiter.failed(address, "alice", 0.0)
    looked_at = sum(admitted(limiter, "bob", 0.0, OTHERS.burst, address) for address in addresses)
    assert looked_at == ALL.burst
    assert limiter.admit("203.0.113.1", "bob", 0.0) == 0.0, "who guessed nothing is in nobody's rate"


def test_memory_is_bounded_and_the_longest_ago_is_forgotten_first() -> None:
    limiter = AttemptLimiter(limit=1, max_addresses=3)
    for last in (1, 2, 3, 1, 4):
        limiter.failed(f"192.0.2.{last}", "alice", now=0.0)
    assert len(limiter) == 3
    assert [limiter.over(f"192.0.2.{last}", 0.0) for last in (1, 2, 3, 4)] == [True, False, True, True]


def test_of_many_openids_those_that_were_refused_last_are_remembered() -> None:
    limiter = AttemptLimiter(limit=1)
    for number in range(SUSPECTS + 1):
        limiter.failed(ADDRESS, f"user-{number}", 0.0)
    assert admitted(limiter, f"user-{SUSPECTS}", 0.0, 100) == SUSPECT.burst
    assert admitted(limiter, "user-0", 0.0, 100) == OTHERS.burst


def test_what_is_older_than_the_window_is_forgotten() -> None:
    limiter = AttemptLimiter(window=60.0)
    for last in range(100):
        limiter.failed(f"192.0.2.{last}", "alice", now=float(last))
    limiter.failed("198.51.100.1", "alice", now=159.0)
    assert len(limiter) == 1


@pytest.mark.parametrize("arguments", [(0, 1.0, 1), (1, 0.0, 1), (1, 1.0, 0)])
def test_limits_must_be_positive(arguments: tuple[int, float, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        AttemptLimiter(*arguments)


def test_one_subnet_of_ipv6_counts_as_one() -> None:
    limiter = AttemptLimiter()
    for host in range(10):
        limiter.failed(f"[2001:db8:1:2::{host:x}]:4433", "alice", now=0.0)
    assert limiter.over("2001:db8:1:2:ffff::1", 1.0)
    assert not limiter.over("2001:db8:1:3::1", 1.0)
    assert len(limiter) == 1
