"""An outbox that leaves a process and goes on in another one, perhaps of another maker, is the same outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicgw_fast.backend import BudgetFull, OutboxClosed
from quicgw_fast.backend.constants import MESSAGE_COST
from quicgw_fast.backend.outbox_state import BoundState, HeldState, OutboxState
from quicgw_fast.backend.tally import Tally

from .conftest import CALM
from .sent import notify
from .test_differential import (
    ENDINGS,
    OUTBOX_SETTINGS,
    OUTBOX_STEPS,
    PYTHON,
    RUST,
    SEQUENCES,
    Operation,
    compare,
    looks,
    operation,
    resolve,
)

if TYPE_CHECKING:
    from types import ModuleType

    from quicgw_fast.backend import Outbox

TOP = 2**64 - 1
MOVES = operation("move to rust") | operation("move to python")
LIVES = st.lists(st.one_of(OUTBOX_STEPS, OUTBOX_STEPS, OUTBOX_STEPS, ENDINGS, MOVES), min_size=10, max_size=70)


class Traveller:
    """An outbox that may be at another maker after each step; its budget is one of that maker, too."""

    def __init__(self, limit: int | None, chosen: dict[str, int]) -> None:
        self._chosen = chosen
        self._makers = {"rust": RUST, "python": PYTHON}
        self._budgets = {
            name: None if limit is None else maker.ByteBudget(limit) for name, maker in self._makers.items()
        }
        self._make("rust")

    def move(self, to: str) -> None:
        if self.outbox.closed:
            return
        state = self.outbox.export()
        assert repr(self.outbox.export()) == repr(state)  # it changed nothing; a time may be no number
        self.outbox.close()
        self._make(to)
        self.outbox.restore(state)
        assert repr(self.outbox.export()) == repr(state)

    def used(self) -> int:
        return sum(budget.used for budget in self._budgets.values() if budget is not None)

    def _make(self, name: str) -> None:
        self.maker = self._makers[name]
        # A restored outbox goes on from the numbers that it was given, so where it would begin does not matter.
        self.outbox: Any = self.maker.Outbox(budget=self._budgets[name], **self._chosen)


@settings(CALM, max_examples=SEQUENCES // 5)
@given(
    chosen=OUTBOX_SETTINGS,
    limit=st.sampled_from([None, None, 0, 102, 400, 1000, 2000]),
    steps=LIVES,
)
def test_one_that_moves_at_any_moment_behaves_like_one_that_stays(
    chosen: dict[str, int], limit: int | None, steps: list[Operation]
) -> None:
    budget = None if limit is None else PYTHON.ByteBudget(limit)
    stays: Any = PYTHON.Outbox(budget=budget, **chosen)
    moves = Traveller(limit, chosen)
    for ticket, step in enumerate(steps, 1):
        if step[0].startswith("move to "):
            moves.move(step[0].removeprefix("move to "))
            assert looks(moves.outbox) == looks(stays)
        elif step[0] == "push to all":
            assert moves.maker.push_to_all([moves.outbox], *step[1]) == PYTHON.push_to_all([stays], *step[1])
        else:
            compare((moves.outbox, stays), resolve(stays, step, ticket), looks)
        if budget is not None:
            assert moves.used() == budget.used


def busy(engine: ModuleType, **chosen: Any) -> Outbox:
    """Make one that has something of everything."""
    outbox: Outbox = engine.Outbox(after=100, **chosen)
    for seq in (7, 8, 9):
        outbox.accept(seq)
    outbox.reply(7, 1, 3, 200, "ok", b"data", {"a": "1"})
    outbox.refuse(300, 503, "busy", "", {})
    outbox.push(notify(engine, "own"))
    outbox.push(notify(engine, "kept"), True)
    engine.push_to_all([outbox], notify(engine, "shared"))
    outbox.ack(101)
    outbox.bind(8, True, notify(engine, "before"), 5.0, 21)
    outbox.bind(8, False, notify(engine, "after"), float("inf"))
    outbox.bind(30, False, notify(engine, "early"), 1.0, 22)
    outbox.hold(notify(engine, "held"), 23)
    outbox.expire(2.0)
    return outbox


def test_what_is_exported_is_plain_and_the_same_from_both_makers(engine: ModuleType) -> None:
    outbox = busy(engine)
    state = outbox.export()
    assert type(state) is OutboxState
    assert (state.acked, state.max_client_seq, state.open) == (101, 9, [8, 9])
    assert state.kinds == bytes([0, 2, 3, 2])
    assert state.frames == outbox.replay(0, TOP)[0]
    assert state.bound == [
        BoundState(8, True, notify(engine, "before"), 5.0, 21),
        BoundState(8, False, notify(engine, "after"), float("inf"), 0),
    ]
    assert state.held == [HeldState(notify(engine, "held"), 23)]
    assert state.fates == [(22, 0)]
    assert state.tally == outbox.tally == Tally(4, 1, 0, 6, 0, 1)
    assert state == busy(PYTHON).export()


@pytest.mark.parametrize("after", [0, 101, 103, 105, TOP])
def test_who_has_the_first_messages_is_given_the_others(engine: ModuleType, after: int) -> None:
    outbox = busy(engine)
    whole, rest = outbox.export(), outbox.export(after)
    had = min(max(after - 101, 0), 4)
    assert rest == whole._replace(kinds=whole.kinds[had:], frames=outbox.replay(after, TOP)[0])


def test_nothing_can_be_taken_from_one_that_is_closed_nor_put_into_it(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    outbox.close()
    with pytest.raises(OutboxClosed):
        outbox.export()
    with pytest.raises(OutboxClosed):
        outbox.restore(OutboxState())


def test_one_that_has_done_something_cannot_become_another(engine: ModuleType) -> None:
    state = busy(engine).export()
    outbox = engine.Outbox()
    outbox.accept(1)
    with pytest.raises(ValueError, match="has done something"):
        outbox.restore(state)


def test_where_the_budget_has_no_room_nothing_has_changed(engine: ModuleType) -> None:
    state = busy(engine).export()
    kept = 4 + len(state.bound) + len(state.held)
    needed = len(state.frames) + sum(len(each.body) for each in (*state.bound, *state.held)) + kept * MESSAGE_COST
    small = engine.ByteBudget((needed - 1) * 4 // 5)  # with the reserve it is one byte short
    outbox = engine.Outbox(budget=small)
    with pytest.raises(BudgetFull) as caught:
        outbox.restore(state)
    assert caught.value.needed == needed
    assert (small.used, outbox.export()) == (0, OutboxState())

    budget = engine.ByteBudget(needed)
    restored = engine.Outbox(budget=budget)
    restored.restore(state)
    assert (budget.used, restored.memory) == (needed, needed)
    restored.close()
    assert budget.used == 0


def test_smaller_bounds_drop_nothing(engine: ModuleType) -> None:
    state = busy(engine).export()
    restored = engine.Outbox(
        window_messages=1, window_bytes=1, hold_messages=0, hold_bytes=0, bind_total=0, max_body=40
    )
    restored.restore(state)
    assert restored.export() == state
    restored.ack(105)
    # The step fits into an empty window, whatever its size.
    assert restored.reply(8, 1, 3, 200, "ok", b"", {})


ORDINARY = busy(PYTHON).export()
IMPOSSIBLE = {
    "kind": ORDINARY._replace(kinds=b"\x00\x02\x03\x04"),
    "too many numbers": ORDINARY._replace(kinds=ORDINARY.kinds + b"\x00"),
    "too few numbers": ORDINARY._replace(kinds=ORDINARY.kinds[:-1]),
    "no number left": OutboxState(acked=TOP, kinds=b"\x00", frames=b"", overflowed=True),
    "a frame cut off": ORDINARY._replace(frames=ORDINARY.frames[:-1]),
    "half a prefix": ORDINARY._replace(frames=ORDINARY.frames + b"\0\0"),
    "an empty frame": OutboxState(kinds=b"\x00", frames=bytes(4)),
    "other numbers": ORDINARY._replace(acked=100),
    "a notify with a msg_id": OutboxState(kinds=b"\x02", frames=b"\0\0\0\x04\x08\x05\x10\x01"),
    "a msg_id that does not end": OutboxState(kinds=b"\x00", frames=b"\0\0\0\x02\x08\x85"),
    "a number that does not end": OutboxState(kinds=b"\x00", frames=b"\0\0\0\x02\x10\x81"),
    "open, not accepted": ORDINARY._replace(open=[8, 10]),
    "open, zero": ORDINARY._replace(open=[0, 8]),
    "open, twice": ORDINARY._replace(open=[8, 8]),
    "waits after an overflow": ORDINARY._replace(overflowed=True, frames=b""),
    "frames after an overflow": OutboxState(kinds=b"\x00", frames=b"\0\0\0\x02\x10\x01", overflowed=True),
    "releasing nothing": OutboxState(releasing=True),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_no_outbox_can_be_in_is_refused(engine: ModuleType, name: str) -> None:
    budget = engine.ByteBudget(1 << 20)
    outbox = engine.Outbox(budget=budget)
    with pytest.raises(ValueError) as ours:
        outbox.restore(IMPOSSIBLE[name])
    with pytest.raises(ValueError) as reference:
        PYTHON.Outbox().restore(IMPOSSIBLE[name])
    assert str(ours.value) == str(reference.value)
    assert (budget.used, outbox.export()) == (0, OutboxState())


@pytest.mark.parametrize(
    "wrong",
    [
        {"acked": -1},
        {"acked": "1"},
        {"kinds": "0"},
        {"open": [TOP + 1]},
        {"held": [HeldState(b"", -1)]},
        {"bound": [BoundState(1, True, "", 0.0, 0)]},  # type: ignore[arg-type]
        {"releasing": 1},
    ],
)
def test_wrong_types_are_the_same_errors_as_everywhere(engine: ModuleType, wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, OverflowError)):
        engine.Outbox().restore(OutboxState()._replace(**wrong))
