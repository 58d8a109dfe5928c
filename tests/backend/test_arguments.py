"""Wrong types and numbers out of range are refused in the same way by both makers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast import backend

if TYPE_CHECKING:
    from types import ModuleType

# A good call of everything that takes arguments, by class ("" for the module's functions).
CALLS: list[tuple[str, tuple[Any, ...], str, dict[str, Any]]] = [
    ("", (), "encode_body", {"push_type": 3, "code": 0, "message": "", "data": b"", "headers": {}, "limit": 99}),
    ("", (), "TaskQueue", {"capacity": 5}),
    ("", (), "SequenceAllocator", {"after": 5}),
    ("", (), "NotifyBuffers", {"per_request": 5, "total": 5}),
    ("", (), "FrameDecoder", {"max_body": 5, "first_max_body": 5}),
    ("", (), "ByteBudget", {"limit": 5}),
    ("", (), "Outbox", {"after": 5, "window_messages": 5, "window_bytes": 5, "max_body": 5}),
    ("", (), "Outbox", {"bind_per_request": 5, "bind_total": 5, "hold_messages": 5, "hold_bytes": 5}),
    ("TaskQueue", (9,), "pop_many", {"n": 5}),
    ("SequenceAllocator", (9,), "next_many", {"n": 5}),
    ("SequenceAllocator", (9,), "accept", {"seq": 5}),
    ("SequenceAllocator", (9,), "ack", {"seq": 5}),
    ("NotifyBuffers", (), "bind", {"client_seq": 5, "before": True, "body": b"", "expires_at": 5.0}),
    ("NotifyBuffers", (), "take_before", {"g": 5}),
    ("NotifyBuffers", (), "take_after", {"g": 5}),
    ("NotifyBuffers", (), "count", {"g": 5}),
    ("NotifyBuffers", (), "expire", {"now": 5.0}),
    ("FrameDecoder", (9,), "feed", {"data": b""}),
    ("Outbox", (), "accept", {"seq": 5}),
    ("Outbox", (), "is_open", {"seq": 5}),
    (
        "Outbox",
        (),
        "reply",
        {"client_seq": 1, "msg_id": 5, "push_type": 3, "code": 0, "message": "", "data": b"", "headers": {}},
    ),
    ("Outbox", (), "refuse", {"msg_id": 5, "code": 0, "message": "", "detail": "", "headers": {}}),
    ("Outbox", (), "push", {"body": b"", "kept": False}),
    ("Outbox", (), "bind", {"client_seq": 5, "before": True, "body": b"", "expires_at": 5.0, "ticket": 5}),
    ("Outbox", (), "expire", {"now": 5.0}),
    ("Outbox", (), "hold", {"body": b"", "ticket": 5, "instead_of": 5}),
    ("Outbox", (), "withdraw", {"ticket": 5}),
    ("Outbox", (), "ack", {"seq": 0}),
    ("Outbox", (), "replay", {"after": 5, "max_bytes": 5}),
    ("Outbox", (), "mark_overflow", {"responses": 5, "notifies": 5}),
    ("Outbox", (), "missed", {"after": 5}),
    ("Outbox", (), "unsent", {"after": 5}),
    ("Outbox", (), "unsent_names", {"after": 5}),
    ("Outbox", (), "close", {"saved": 5}),
]
I32 = (-(2**31), 2**31 - 1)
RANGES = {"push_type": I32, "code": I32} | dict.fromkeys(
    ("msg_id", "max_body", "responses", "notifies"), (0, 2**32 - 1)
)
U64 = (0, 2**64 - 1)
CASES = [(*call[:3], call[3], name) for call in CALLS for name in call[3]]


def outcome(engine: ModuleType, cls: str, made: tuple[Any, ...], name: str, arguments: dict[str, Any]) -> str:
    """Make the call on a new object and tell how it ended."""
    target: Any = getattr(engine, cls)(*made) if cls else engine
    if cls == "Outbox" and name == "reply":
        target.accept(1)
    try:
        getattr(target, name)(**arguments)
    except Exception as error:
        return type(error).__name__
    return "done"


def both(*call: Any) -> str:
    """Make the call on both makers; they must agree."""
    rust, python = (outcome(backend.load(maker), *call) for maker in ("rust", "python"))
    assert rust == python, call
    return rust


def range_of(cls: str, name: str, parameter: str) -> tuple[int, int]:
    if parameter == "max_body" and name == "FrameDecoder":
        return U64
    return RANGES.get(parameter, U64)


@pytest.mark.parametrize(("cls", "made", "name", "arguments"), CALLS)
def test_the_good_call_is_good(cls: str, made: tuple[Any, ...], name: str, arguments: dict[str, Any]) -> None:
    assert both(cls, made, name, arguments) == "done"


@pytest.mark.parametrize(("cls", "made", "name", "arguments", "parameter"), CASES)
def test_wrong_types(cls: str, made: tuple[Any, ...], name: str, arguments: dict[str, Any], parameter: str) -> None:
    good = arguments[parameter]
    wrong: list[object] = [None, object(), bytearray(b"x"), memoryview(b"x"), ["a"], {1: "a"}, {"a": 1}, {"a": b""}]
    wrong += ["5"] if not isinstance(good, str) else [b"5"]
    wrong += [5.0] if not isinstance(good, float) else [1j]
    wrong += [1] if isinstance(good, bool) else []
    if parameter == "first_max_body":
        wrong.remove(None)
    if isinstance(good, dict):
        wrong += [[("a", "b")], {"\ud800": ""}]
    for value in wrong:
        expected = "UnicodeEncodeError" if value == {"\ud800": ""} else "TypeError"
        assert both(cls, made, name, arguments | {parameter: value}) == expected, value


@pytest.mark.parametrize(
    ("cls", "made", "name", "arguments", "parameter"), [case for case in CASES if type(case[3][case[4]]) is int]
)
def test_numbers_out_of_range(
    cls: str, made: tuple[Any, ...], name: str, arguments: dict[str, Any], parameter: str
) -> None:
    lowest, highest = range_of(cls, name, parameter)
    for value in (lowest - 1, highest + 1, -(2**70), 2**70):
        assert both(cls, made, name, arguments | {parameter: value}) == "OverflowError", value
    for value in (lowest, highest):
        # It may be refused for what it means, but not for its size; and in the same way by both.
        if (name, parameter) not in {("ack", "seq"), ("next_many", "n")}:
            assert both(cls, made, name, arguments | {parameter: value}) != "OverflowError", value


def test_whatever_acts_as_an_integer_will_do() -> None:
    class Three:
        def __index__(self) -> int:
            return 3

    for value in (Three(), True):
        assert both("Outbox", (), "accept", {"seq": value}) == "done"


def test_a_budget_of_something_else() -> None:
    assert both("", (), "Outbox", {"budget": 5}) == "TypeError"
    assert both("", (), "Outbox", {"budget": None}) == "done"


@pytest.mark.parametrize("late", [{"expires_at": 10**400}, {"expires_at": float("nan")}, {"expires_at": -1}])
def test_odd_times(late: dict[str, float]) -> None:
    both("Outbox", (), "bind", {"client_seq": 5, "before": True, "body": b""} | late)


def test_arguments_are_checked_in_their_order() -> None:
    for bad in (
        {"client_seq": -1, "msg_id": "x"},
        {"client_seq": "x", "msg_id": -1},
        {"code": 2**40, "message": 5},
        {"message": "\ud800", "headers": 5},
        {"headers": 5, "client_seq": 77},
    ):
        good = {"client_seq": 1, "msg_id": 5, "push_type": 3, "code": 0, "message": "", "data": b"", "headers": {}}
        both("Outbox", (), "reply", good | bad)
