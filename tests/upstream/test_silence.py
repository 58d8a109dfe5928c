"""When silence is suspicious, worth a question, and the end."""

from __future__ import annotations

from quicgw_fast.upstream.silence import MISSES, MISSES_ALONE, Silence


def looks(silence: Silence, count: int, *, under_way: int = 1, signs: int = 0) -> None:
    for _ in range(count):
        silence.look(under_way, signs)


def miss(silence: Silence, times: int = MISSES) -> None:
    for _ in range(times):
        silence.told(alive=False)


def test_first_suspect_and_worth_asking_then_silent() -> None:
    silence = Silence(0.5)
    looks(silence, 1)
    assert (silence.suspect, silence.worth_asking) == (False, False)
    looks(silence, 1)
    assert (silence.suspect, silence.worth_asking) == (True, True)
    miss(silence, MISSES - 1)
    assert not silence.silent
    miss(silence, 1)
    assert silence.silent


def test_who_is_alone_is_given_more_time() -> None:
    silence = Silence(0.5)
    looks(silence, 2)
    for _ in range(MISSES_ALONE - 1):
        silence.told(alive=False, alone=True)
    assert not silence.silent
    silence.told(alive=False, alone=True)
    assert silence.silent


def test_any_sign_of_life_begins_anew() -> None:
    silence = Silence(0.5)
    looks(silence, 4)
    miss(silence, MISSES - 1)
    looks(silence, 1, signs=1)
    assert not silence.suspect
    looks(silence, 4, signs=1)
    miss(silence, MISSES - 1)
    assert not silence.silent, "the first questions were of another silence"


def test_nobody_is_silent_without_calls() -> None:
    silence = Silence(0.5)
    looks(silence, 100, under_way=0)
    assert not silence.suspect


def test_whose_calls_were_given_up_is_asked_before_others_get_all_calls_for_ever() -> None:
    silence = Silence(1.0)
    looks(silence, 4)
    silence.told(alive=True)
    looks(silence, 1, under_way=0)
    assert silence.suspect
    assert silence.worth_asking
    silence.told(alive=True)
    assert not silence.suspect


def test_who_is_silent_is_asked_until_it_answers() -> None:
    silence = Silence(0.5)
    looks(silence, 4)
    miss(silence)
    looks(silence, 100, under_way=0)
    assert silence.worth_asking
    silence.told(alive=True)
    assert not silence.silent
    assert not silence.worth_asking


def test_who_lives_and_is_slow_stays_behind_the_others_until_a_call_is_answered() -> None:
    silence = Silence(0.5)
    looks(silence, 2)
    silence.told(alive=True)
    assert (silence.suspect, silence.worth_asking) == (True, False)
    looks(silence, 2)
    assert silence.worth_asking, "it may have stopped since"
    looks(silence, 1, signs=1)
    assert not silence.suspect
