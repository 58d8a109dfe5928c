"""What `make bench-check` takes for worse."""

from __future__ import annotations

import json

from benches.check import Calls, verdict
from quicgw_fast.config import split_address

EXPECTED = {"fast": {"request": 100.0, "session": 600.0}}


def test_a_third_more_calls_are_too_many() -> None:
    assert verdict(EXPECTED, {"fast": {"request": 133.0, "session": 600.0}}) == [
        "fast: 133 calls for a request, expected 100"
    ]


def test_what_chance_adds_is_not() -> None:
    assert verdict(EXPECTED, {"fast": {"request": 108.0, "session": 570.0}}) == []


def test_fewer_are_told_and_no_fault() -> None:
    assert verdict(EXPECTED, {"fast": {"request": 50.0, "session": 600.0}}) == []


def test_calls_of_the_package_alone_are_counted() -> None:
    with Calls() as calls:
        split_address("127.0.0.1:1")
        json.dumps({"not": "counted"})
    counted = dict(calls.by_function)
    assert counted.pop("split_address") == 1
    assert counted  # what it calls is its own, compiled or not
    assert not any("dumps" in name or "Encoder" in name for name in counted)
