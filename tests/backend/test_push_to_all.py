"""One notify for many sessions in one step: each takes its own number, and one that cannot take it stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .sent import notify, numbers, texts

if TYPE_CHECKING:
    from types import ModuleType


def test_every_session_takes_its_own_number_and_retains_the_message(engine: ModuleType) -> None:
    budget = engine.ByteBudget(10_000)
    outboxes = [engine.Outbox(after=after, budget=budget) for after in (0, 126, 127, 2**32)]
    body = notify(engine, "to all")
    alone = [engine.Outbox(after=outbox.last_seq).push(body) for outbox in outboxes]

    sent = engine.push_to_all(outboxes, body)

    assert sent == [(frame, outbox.last_seq) for frame, outbox in zip(alone, outboxes, strict=True)]
    assert [numbers(frame) for frame, _ in sent] == [[1], [127], [128], [2**32 + 1]]
    assert [outbox.replay(0, 1 << 20) for outbox in outboxes] == sent
    assert budget.used == sum(outbox.memory for outbox in outboxes) == sum(len(frame) + 96 for frame in alone)
    assert [outbox.tally.notifies_accepted for outbox in outboxes] == [1] * 4
    assert [outbox.unsent(0) for outbox in outboxes] == [[body]] * 4
    assert [outbox.ack(outbox.last_seq) for outbox in outboxes] == [1] * 4
    assert budget.used == 0


def test_nothing_changes_where_something_stands_in_the_way(engine: ModuleType) -> None:
    def looks(outbox: Any) -> list[Any]:
        return [outbox.last_seq, outbox.tally, outbox.memory, outbox.dropped, outbox.retained, outbox.releasing]

    full, overflowed, releasing, closed, narrow, poor = made = [
        engine.Outbox(window_messages=1),
        engine.Outbox(),
        engine.Outbox(window_messages=4),
        engine.Outbox(),
        engine.Outbox(max_body=30),
        engine.Outbox(budget=engine.ByteBudget(50)),
    ]
    full.push(b"")
    overflowed.mark_overflow()
    for step in (releasing.hold, *[releasing.push] * 4, releasing.hold):
        step(b"")
    releasing.release()
    assert releasing.releasing
    closed.close()
    before = [looks(outbox) for outbox in made]
    healthy = engine.Outbox()

    body = notify(engine, "x" * 20)
    assert len(body) > narrow.replay(0, 1)[1]
    sent = engine.push_to_all([*made, healthy], body)

    assert sent[:-1] == [None] * 6
    assert [looks(outbox) for outbox in made] == before
    assert texts(sent[-1][0]) == ["x" * 20]
    assert poor.memory == 0


def test_one_that_is_there_twice_gets_it_twice(engine: ModuleType) -> None:
    outbox = engine.Outbox(window_messages=2)
    sent = engine.push_to_all([outbox] * 3, b"")
    assert [one and one[1] for one in sent] == [1, 2, None]
    assert engine.push_to_all([], b"") == []


@pytest.mark.parametrize("wrong", [None, 7, "outbox", [None]])
def test_wrong_types_change_nothing(engine: ModuleType, wrong: Any) -> None:
    outbox = engine.Outbox()
    with pytest.raises(TypeError):
        engine.push_to_all([outbox, wrong], b"")
    with pytest.raises(TypeError):
        engine.push_to_all([outbox], wrong)
    assert outbox.last_seq == 0
