"""The ordered way down when there is no room: in the window, behind what was held, in the memory that all share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.backend import BudgetFull, Overflowed, WindowFull
from quicgw_fast.backend.constants import MESSAGE_COST

from .recipient import HIGH_WATER, Client, an_error

if TYPE_CHECKING:
    from types import ModuleType


# Full


def test_a_push_that_does_not_fit_sends_nothing_and_marks_nothing(engine: ModuleType) -> None:
    client = Client(engine, {"window_messages": 2})
    client.push()
    client.push()
    with pytest.raises(WindowFull):
        client.push()
    assert client.there.numbers == [1, 2]
    assert client.overflows == 0
    client.outbox.ack(1)
    client.push()
    assert client.there.numbers == [1, 2, 3]


@pytest.mark.parametrize("step", ["reply", "refuse"])
def test_a_step_that_must_not_be_refused_is_an_overflow(engine: ModuleType, step: str) -> None:
    client = Client(engine, {"window_messages": 4})
    client.outbox.accept(1)
    for _ in range(4):
        client.push()
    client.outbox.bind(1, True, client.body(), 9.0)
    if step == "reply":
        assert client.reply(1) is False
    else:
        assert client.sender.refuse(client, 1, an_error(400, "")) is True
        assert client.sender.refuse(client, 1, an_error(400, "")) is False
    assert client.overflows == 1
    assert client.outbox.overflowed
    assert client.there.numbers == list(range(1, client.outbox.last_seq + 1))
    with pytest.raises(Overflowed):
        client.push()
    assert client.overflows == 1


def test_a_broadcast_that_does_not_fit_is_counted(engine: ModuleType) -> None:
    client = Client(engine, {"window_messages": 1})
    client.push()
    client.sender.overflow(client, notifies=1)
    assert client.outbox.overflowed
    assert client.outbox.dropped == (0, 1)
    assert client.overflows == 1


def test_after_an_overflow_the_pump_sends_nothing(engine: ModuleType) -> None:
    client = Client(engine, {"window_messages": 3})
    client.there.pending = HIGH_WATER + 1
    client.push()
    client.sender.overflow(client, notifies=1)
    client.there.pending = 0
    client.sender.pump(client)
    assert client.there.pushes == []


# What was held


def test_what_a_release_leaves_goes_before_anything_new(engine: ModuleType) -> None:
    client = Client(engine, {"window_messages": 2})
    client.outbox.accept(1)
    client.reply(1)
    for _ in range(2):
        client.sender.hold(client, client.body())
    client.push()
    assert client.sender.release(client) is True
    assert client.there.numbers == [1, 2]
    client.outbox.ack(1)
    with pytest.raises(WindowFull):
        client.push()
    assert client.there.numbers == [1, 2, 3]  # of what was held
    with pytest.raises(WindowFull):
        client.sender.bind(client, 1, client.body(), before=False, expires_at=9.0)
    client.outbox.ack(2)
    client.sender.acknowledged(client)
    assert client.there.numbers == [1, 2, 3, 4]
    client.sender.acknowledged(client)
    client.outbox.ack(4)
    client.push()
    assert client.there.numbers == [1, 2, 3, 4, 5]
    assert client.overflows == 0


def test_a_push_lets_out_what_could_go_before_it(engine: ModuleType) -> None:
    client = Client(engine, {"window_messages": 2})
    client.push()
    client.push()
    client.sender.hold(client, client.body())
    client.sender.release(client)
    client.outbox.ack(2)
    client.push()
    assert client.there.numbers == [1, 2, 3, 4]


# The memory that all share


@pytest.fixture
def hog(engine: ModuleType) -> Client:
    """Somebody else, who took all memory there is."""
    budget = engine.ByteBudget(1000)
    client = Client(engine, {"budget": budget})
    client.push(500)
    client.outbox.hold(bytes(budget.limit - budget.used - MESSAGE_COST))
    assert budget.used == budget.limit
    return client


@pytest.fixture
def poor(engine: ModuleType, hog: Client) -> Client:
    return Client(engine, {"budget": hog.options["budget"]})


def free(hog: Client) -> bool:
    hog.outbox.mark_overflow()
    return True


@pytest.mark.parametrize("step", ["push", "reply", "refuse", "bind", "hold"])
def test_room_is_made_and_the_step_tried_again(hog: Client, poor: Client, step: str) -> None:
    poor.give = lambda: free(hog)
    poor.outbox.accept(1)
    match step:
        case "push":
            poor.push()
        case "reply":
            assert poor.reply(1, b"x" * 300)
        case "refuse":
            assert poor.sender.refuse(poor, 1, an_error(400, "x" * 300))
        case "bind":
            poor.sender.bind(poor, 1, poor.body(), before=True, expires_at=9.0)
        case _:
            poor.sender.hold(poor, poor.body())
    assert len(poor.room) == 1
    assert poor.outbox.memory > 0
    assert (poor.overflows, poor.outbox.overflowed) == (0, False)


def test_without_room_a_push_is_refused_and_a_reply_overflows(hog: Client, poor: Client) -> None:
    poor.outbox.accept(1)
    with pytest.raises(WindowFull):
        poor.push()
    with pytest.raises(BudgetFull):
        poor.sender.bind(poor, 1, poor.body(), before=True, expires_at=9.0)
    with pytest.raises(BudgetFull):
        poor.sender.hold(poor, poor.body())
    assert (poor.overflows, poor.outbox.tally.notifies_accepted) == (0, 0)
    assert poor.reply(1, b"x" * 300) is False
    assert (poor.overflows, poor.outbox.overflowed, poor.outbox.dropped) == (1, True, (1, 0))
    assert poor.there.pushes == []
    assert hog.options["budget"].used == 1000


def test_what_was_held_waits_for_room(engine: ModuleType) -> None:
    """Until the memory that all share has some, and then it needs no message of its client."""
    budget = engine.ByteBudget(800)
    poor, hog = Client(engine, {"budget": budget}), Client(engine, {"budget": budget})
    poor.sender.hold(poor, poor.body(200))
    hog.outbox.hold(bytes(budget.limit - budget.used - MESSAGE_COST))
    left = budget.limit * 5 // 4 - budget.used - MESSAGE_COST
    hog.sender.refuse(hog, 0, an_error(0, "", "x" * (left - 12)))  # its frame has 12 bytes more
    assert budget.used == 1000, "with the reserve of replies there is nothing left"
    assert poor.sender.release(poor) is True
    assert (poor.there.pushes, poor.outbox.held, poor.overflows, len(poor.room)) == ([], 1, 0, 1)
    hog.outbox.ack(1)
    poor.sender.acknowledged(poor)
    assert poor.there.numbers == [1]


@pytest.fixture
def waiting(engine: ModuleType) -> tuple[Client, Client]:
    """A client whose held message waits for the memory that the other one took."""
    budget = engine.ByteBudget(800)
    poor, hog = Client(engine, {"budget": budget}), Client(engine, {"budget": budget})
    poor.sender.hold(poor, poor.body(200))
    hog.outbox.hold(bytes(budget.limit - budget.used - MESSAGE_COST))
    hog.sender.refuse(hog, 0, an_error(0, "", "x" * (budget.limit * 5 // 4 - budget.used - MESSAGE_COST - 12)))
    assert poor.sender.release(poor)
    assert (poor.outbox.held, poor.outbox.retained) == (1, 0)
    return poor, hog


def test_room_is_made_for_what_was_held_and_nothing_else_waits_for(waiting: tuple[Client, Client]) -> None:
    """No acknowledgement would ever bring it about: nothing of this client is retained."""
    poor, hog = waiting
    poor.give = lambda: free(hog)
    assert poor.sender.release(poor) is True
    assert poor.there.numbers == [1]
    assert (poor.outbox.held, poor.overflows) == (0, 0)


def test_who_has_to_give_the_room_itself_takes_nothing_new(waiting: tuple[Client, Client]) -> None:
    """Its own memory is what was given back: what is pushed then was never taken, and does not count as missed."""
    poor, _ = waiting
    poor.give = lambda: free(poor)
    with pytest.raises(WindowFull):
        poor.push()
    assert poor.outbox.overflowed
    assert poor.outbox.tally.notifies_accepted == 1, "what was held, and is lost now"
    assert poor.there.pushes == []


def test_room_is_asked_for_until_it_is_enough(engine: ModuleType, poor: Client, hog: Client) -> None:
    """Others may give back less than was asked for, or somebody may have taken it meanwhile."""
    hog.outbox.mark_overflow()
    budget = hog.options["budget"]
    hogs = [Client(engine, {"budget": budget}) for _ in range(2)]
    hogs[0].outbox.hold(bytes(50))
    hogs[1].outbox.hold(bytes(budget.limit - budget.used - MESSAGE_COST))
    poor.give = lambda: free(hogs.pop(0))
    poor.push(400)
    assert len(poor.room) == 2
    assert poor.there.numbers == [1]
