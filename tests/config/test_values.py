"""Durations, sizes and addresses as people write them."""

from __future__ import annotations

import re

import pytest

from quicgw_fast.config import checked_path, join_address, parse_duration, parse_size, split_address
from quicgw_fast.config.values import Within, WordOrNumber, number, shown

DEVICES = WordOrNumber(("newest", "refuse"), number(1, 64, "sessions"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("30s", 30.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("1.5m", 90.0),
        ("10", 10.0),
        (" 10 s ", 10.0),
        ("0s", 0.0),
        (7, 7),
        (0.5, 0.5),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "10 sec", "-5s", "5 m 3 s", "1e3", "1,5s", "٣s", "5M", True, False])
def test_what_is_no_duration_is_told_the_forms(text: object) -> None:
    with pytest.raises(ValueError, match="write for example 250ms, 30s, 5m or 2h"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("4096", 4096), ("1KiB", 1024), ("1 MiB", 1 << 20), ("2GiB", 2 << 30), ("7B", 7), (9, 9)],
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "1.5MiB", "1MB", "-1", "1 kib", True])
def test_what_is_no_size_is_told_the_forms(text: object) -> None:
    with pytest.raises(ValueError, match="write for example 4096, 64KiB, 1MiB or 2GiB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("written", "value"), [("newest", "newest"), ("refuse", "refuse"), (1, 1), (64, 64), ("3", 3), (" 3", None)]
)
def test_a_word_or_a_number(written: object, value: object) -> None:
    if value is None:
        with pytest.raises(ValueError, match="must be"):
            DEVICES.check(written)
    else:
        assert DEVICES.check(written) == value


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("newst", "must be 'newest', 'refuse' or a number from 1 to 64, not 'newst'; did you mean newest?"),
        ("allow", "must be 'newest', 'refuse' or a number from 1 to 64, not 'allow'"),
        (2.5, "must be 'newest', 'refuse' or a number from 1 to 64, not 2.5"),
        (True, "must be 'newest', 'refuse' or a number from 1 to 64, not True"),
        (0, "0 is out of bounds; allowed: 1 to 64 sessions"),
        ("999", "999 is out of bounds; allowed: 1 to 64 sessions"),
        ("9" * 5000, f"must be 'newest', 'refuse' or a number from 1 to 64, not '{'9' * 59}…"),
    ],
)
def test_what_is_neither_is_told_both(written: object, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        DEVICES.check(written)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:8443", "127.0.0.1", 8443), ("[::1]:0", "::1", 0), ("gateway.example:65535", "gateway.example", 65535)],
)
def test_addresses_there_and_back(text: str, host: str, port: int) -> None:
    assert split_address(text) == (host, port)
    assert join_address(host, port) == text


@pytest.mark.parametrize("text", ["", "host", "host:", ":80", "host:65536", "host:-1", "host:http", "host:٣", "[]:80"])
def test_what_is_no_address_is_told_the_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"write HOST:PORT, for example 127\.0\.0\.1:8443"):
        split_address(text)


HUGE = 10**5000
"""Of more digits than Python writes."""


def test_what_is_shown_of_a_value_is_short() -> None:
    assert shown("on\none line") == "'on\\none line'"
    assert shown("x" * 1000) == "'" + "x" * 59 + "…"
    assert shown(HUGE) == "a huge number"


@pytest.mark.parametrize(
    ("value", "told"),
    [(HUGE, "a huge number"), (9, "9"), (10**100, "1" + "0" * 59 + "…"), (float("nan"), "nan")],
    ids=["huge", "just outside", "long", "nan"],
)
def test_a_number_out_of_bounds_is_told_with_them(value: float, told: str) -> None:
    bounds = Within(1, 8, lambda written: written, str, "cores")
    assert (bounds.check(1), bounds.check(8)) == (1, 8)
    with pytest.raises(ValueError, match="out of bounds") as refused:
        bounds.check(value)
    assert str(refused.value) == f"{told} is out of bounds; allowed: 1 to 8 cores"


def test_a_path_is_one_that_a_file_can_have() -> None:
    for path in (None, "a.pem", "x" * 1024):
        assert checked_path(path) == path
    for path, told in (("", "leave the key out"), ("a\0b", "leave the key out"), ("a\nb", "the text of one")):
        with pytest.raises(ValueError, match=told):
            checked_path(path)
    with pytest.raises(ValueError, match="1025 characters are too many"):
        checked_path("x" * 1025)
