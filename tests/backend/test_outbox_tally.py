"""The accounts of a session: accepted = delivered + lost + saved + open, of each kind, whatever happens."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicgw_fast import backend
from quicgw_fast.backend import EngineError, Overflowed, Tally

from .conftest import CALM, MAKERS
from .sent import notify

if TYPE_CHECKING:
    from types import ModuleType


def reply(outbox: Any, client_seq: int) -> None:
    outbox.reply(client_seq, 1, 3, 200, "", b"", {})


def test_a_life(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    assert outbox.tally == Tally()
    for seq in (1, 2, 3):
        outbox.accept(seq)
    outbox.refuse(1, 400, "", "", {})  # 1
    outbox.push(b"")  # 2
    outbox.push(b"", kept=True)  # 3
    outbox.bind(1, True, b"", 60.0)  # 4
    outbox.bind(2, True, b"", 1.0)
    outbox.bind(3, True, b"", 60.0)
    outbox.hold(b"")
    outbox.hold(b"")
    reply(outbox, 1)  # 5
    outbox.bind(1, False, b"", 60.0)  # 6
    assert outbox.expire(1.0) == 1
    outbox.ack(4)
    assert outbox.tally == Tally(4, 1, 0, 7, 2, 1, 0)
    assert outbox.missed(0) == (1, 1)
    outbox.close(saved=2)
    assert outbox.tally == Tally(4, 1, 3, 7, 2, 3, 2)
    outbox.close(saved=1)
    outbox.ack(6)
    assert outbox.tally == Tally(4, 1, 3, 7, 2, 3, 2)


def test_no_more_is_saved_than_there_was(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    outbox.push(b"")
    outbox.push(b"", kept=True)
    outbox.close(saved=9)
    assert outbox.tally == Tally(notifies_accepted=1, notifies_saved=1)


def test_an_overflow_loses_what_has_no_number_at_once_and_the_rest_at_the_end(engine: ModuleType) -> None:
    """Of what was sent before, the client may still say that it has it."""
    outbox = engine.Outbox(window_messages=4)
    outbox.accept(1)
    for _ in range(4):
        outbox.push(b"")
    outbox.bind(1, True, b"", 60.0)
    outbox.hold(b"")
    with pytest.raises(Overflowed):
        reply(outbox, 1)
    assert (outbox.tally, outbox.dropped) == (Tally(1, 0, 1, 6, 0, 2, 0), (1, 2))
    outbox.mark_overflow(notifies=1)
    with pytest.raises(Overflowed):
        outbox.refuse(1, 400, "", "", {})
    assert (outbox.tally, outbox.dropped) == (Tally(2, 0, 2, 7, 0, 3, 0), (2, 3))
    outbox.ack(3)
    outbox.close()
    assert outbox.tally == Tally(2, 0, 2, 7, 3, 4, 0)


def test_unsent_are_the_notifies_of_their_own(engine: ModuleType) -> None:
    outbox = engine.Outbox(after=125, window_messages=20)
    outbox.accept(1)
    bodies = {name: notify(engine, name) for name in "abcdef"}
    for name in "ab":
        outbox.push(bodies[name])  # 126, 127
    outbox.push(bodies["c"], kept=True)  # 128
    outbox.bind(1, True, bodies["d"], 60.0)  # 129
    reply(outbox, 1)  # 130
    outbox.bind(1, False, bodies["d"], 60.0)  # 131
    outbox.push(bodies["e"])  # 132
    outbox.hold(bodies["f"])
    outbox.bind(2, True, bodies["d"], 60.0)

    def expected(names: str) -> list[bytes]:
        return [bodies[name] for name in names]

    before = outbox.tally, outbox.memory
    assert outbox.unsent(0) == outbox.unsent(125) == expected("abef")
    assert outbox.unsent(126) == expected("bef")
    assert outbox.unsent(127) == outbox.unsent(131) == expected("ef")
    assert outbox.unsent(132) == outbox.unsent(2**64 - 1) == expected("f")
    assert (outbox.tally, outbox.memory) == before
    outbox.ack(126)
    assert outbox.unsent(0) == expected("bef")
    outbox.mark_overflow()
    assert outbox.unsent(0) == []


GRIDS, SIZES = st.integers(0, 7), st.sampled_from([0, 3, 40, 70])
STEPS = st.one_of(
    st.tuples(st.just("accept"), GRIDS),
    st.tuples(st.just("accept"), GRIDS),
    st.tuples(st.just("reply"), GRIDS, SIZES),
    st.tuples(st.just("reply"), GRIDS, SIZES),
    st.tuples(st.just("refuse"), SIZES),
    st.tuples(st.just("push"), SIZES, st.booleans()),
    st.tuples(st.just("bind"), GRIDS, st.booleans(), SIZES, st.sampled_from([1.0, 2.0])),
    st.tuples(st.just("bind"), GRIDS, st.booleans(), SIZES, st.sampled_from([1.0, 2.0])),
    st.tuples(st.just("expire"), st.sampled_from([0.5, 1.0, 2.0])),
    st.tuples(st.just("hold"), SIZES),
    st.tuples(st.just("release")),
    st.tuples(st.just("ack"), st.integers(0, 3)),
    st.tuples(st.just("ack"), st.integers(0, 3)),
    st.tuples(st.sampled_from(["mark_overflow", *["release"] * 9])),
    st.tuples(st.sampled_from(["close", *["release"] * 9])),
)


def play(outbox: Any, name: str, *arguments: Any) -> None:
    match name, arguments:
        case "accept", (skip,):
            outbox.accept(outbox.max_client_seq + (0 if skip == 7 else 1))
        case "reply", (client_seq, size):
            outbox.reply(client_seq, 1, 3, 200, "", bytes(size), {})
        case "refuse", (size,):
            outbox.refuse(1, 400, "x" * size, "", {})
        case "push", (size, kept):
            outbox.push(bytes(size), kept)
        case "bind", (client_seq, before, size, expires_at):
            outbox.bind(client_seq, before, bytes(size), expires_at)
        case "hold", (size,):
            outbox.hold(bytes(size))
        case "ack", (some,):
            outbox.ack(min(outbox.acked_seq + some, outbox.last_seq))
        case _:
            getattr(outbox, name)(*arguments)


def still_open(outbox: Any) -> tuple[int, int]:
    """Responses and notifies that are neither delivered nor lost, counted from what there is."""
    if outbox.closed:
        return 0, 0
    responses, notifies = outbox.missed(0)
    return responses + outbox.in_flight, notifies + outbox.bound + outbox.held


@pytest.mark.parametrize("maker", MAKERS)
@settings(CALM, max_examples=400)
@given(
    steps=st.lists(STEPS, max_size=60),
    limit=st.sampled_from([300, 1000, 2**40]),
    window=st.integers(1, 9),
    saved=st.integers(0, 3),
)
def test_the_accounts_add_up(maker: str, steps: list[tuple[Any, ...]], limit: int, window: int, saved: int) -> None:
    engine = backend.load(maker)
    budget = engine.ByteBudget(limit)
    outbox = engine.Outbox(budget=budget, window_messages=window, window_bytes=200, max_body=95, hold_messages=3)
    for name, *arguments in steps:
        with contextlib.suppress(EngineError):
            play(outbox, name, *arguments)
        tally = outbox.tally
        responses, notifies = still_open(outbox)
        assert tally.responses_accepted == tally.responses_delivered + tally.responses_lost + responses
        assert tally.notifies_accepted == tally.notifies_delivered + tally.notifies_lost + notifies
        assert tally.notifies_saved == 0
        assert budget.used == outbox.memory <= limit + limit // 4
        assert outbox.releasing <= (outbox.held > 0)
    closed = outbox.closed
    outbox.close(saved)
    tally = outbox.tally
    assert tally.responses_accepted == tally.responses_delivered + tally.responses_lost
    assert tally.notifies_accepted == tally.notifies_delivered + tally.notifies_lost + tally.notifies_saved
    assert tally.notifies_saved <= (0 if closed else saved)
    assert budget.used == 0
