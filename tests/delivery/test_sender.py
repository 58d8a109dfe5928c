"""The ordered way down: in order or not at all, and never more on the connection than it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast._proto import client_pb2 as pb
from quicgw_fast.backend import BindRefused, BudgetFull, FrameTooLarge, NotInFlight, Overflowed, WindowFull
from quicgw_fast.backend.python.budget import MESSAGE_COST
from quicgw_fast.delivery import CHUNK, OrderedSender
from quicgw_fast.types import PushType
from tests.support.wire import Splitter, business, error

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

HIGH_WATER = 100_000


@dataclass
class Link:
    """Remembers what was sent; acknowledged only as far as the test says."""

    peer: str = "192.0.2.1:1"
    closed: bool = False
    pending: int = 0
    sent: bytearray = field(default_factory=bytearray)

    def ready(self) -> bool:
        return not self.closed and self.pending <= HIGH_WATER

    def send(self, data: bytes) -> None:
        assert data, "nothing was sent"
        self.sent += data
        self.pending += len(data)

    def close(self, code: int, reason: str = "") -> None:
        self.closed = True

    @property
    def pushes(self) -> list[pb.ServerPush]:
        splitter = Splitter()
        found = [pb.ServerPush.FromString(body) for body in splitter.feed(bytes(self.sent))]
        assert not splitter.partial
        return found

    @property
    def numbers(self) -> list[int]:
        return [push.seq_id for push in self.pushes]


@dataclass
class Client:
    """A recipient with its sender."""

    engine: ModuleType
    options: dict[str, Any] = field(default_factory=dict)
    after: int = 0
    link: Link | None = field(default_factory=Link)
    overflows: int = 0
    room: list[int] = field(default_factory=list)
    """What was asked for when the memory was full."""
    give: Callable[[], bool] = lambda: False
    """Makes room."""

    def __post_init__(self) -> None:
        self.outbox = self.engine.Outbox(after=self.after, **self.options)
        self.cursor = self.handed = self.after
        self.sender: OrderedSender[Client] = OrderedSender(self._overflowed, self._make_room)

    def _make_room(self, needed: int) -> bool:
        self.room.append(needed)
        return self.give()

    def _overflowed(self, client: Client) -> None:
        assert client is self
        self.overflows += 1

    def body(self, size: int = 0, fill: bytes = b"x") -> bytes:
        made = self.engine.encode_body(PushType.BUSINESS_DATA, 200, "", fill * size, {})
        assert isinstance(made, bytes)
        return made

    def push(self, size: int = 0) -> None:
        self.sender.push(self, self.body(size))

    def reply(self, grid: int, data: bytes = b"") -> bool:
        return self.sender.reply(self, grid, 7, PushType.BUSINESS_DATA, 200, "ok", data, {"h": "v"})

    @property
    def there(self) -> Link:
        assert self.link is not None
        return self.link


@pytest.fixture
def client(engine: ModuleType) -> Client:
    return Client(engine)


def test_a_push_goes_out_at_once(client: Client) -> None:
    client.push()
    client.push()
    assert client.there.numbers == [1, 2]
    assert client.cursor == 2


def test_a_reply_goes_out_with_what_is_bound_to_it(client: Client) -> None:
    client.outbox.accept(1)
    assert client.sender.bind(client, 1, client.body(3, b"a"), before=False, expires_at=9.0) is False
    assert client.sender.bind(client, 1, client.body(3, b"b"), before=True, expires_at=9.0) is False
    assert client.there.pushes == []
    assert client.reply(1, b"r") is True
    before, reply, after = client.there.pushes
    assert (business(before).data, business(reply).data, business(after).data) == (b"bbb", b"r", b"aaa")
    assert (reply.msg_id, reply.seq_id, dict(reply.headers)) == (7, 2, {"h": "v"})


def test_a_notify_after_an_answered_request_goes_out_at_once(client: Client) -> None:
    client.outbox.accept(1)
    client.reply(1)
    assert client.sender.bind(client, 1, client.body(), before=False, expires_at=9.0) is True
    assert client.there.numbers == [1, 2]
    with pytest.raises(BindRefused):
        client.sender.bind(client, 1, client.body(), before=True, expires_at=9.0)


def test_a_refusal_is_a_numbered_error(client: Client) -> None:
    assert client.sender.refuse(client, 5, 400, "wrong", "expected 1", {"k": "v"}) is True
    (push,) = client.there.pushes
    told = error(push)
    assert (push.msg_id, push.seq_id, dict(push.headers)) == (5, 1, {"k": "v"})
    assert (told.error_code, told.error_message, told.detail) == (400, "wrong", "expected 1")


def test_what_was_held_goes_out_in_one_step(client: Client) -> None:
    for _ in range(3):
        client.outbox.hold(client.body())
    assert client.there.pushes == []
    assert client.sender.release(client) is True
    assert client.there.numbers == [1, 2, 3]
    assert client.sender.release(client) is True
    assert client.there.numbers == [1, 2, 3]


def test_the_engines_errors_come_through_and_send_nothing(client: Client) -> None:
    with pytest.raises(NotInFlight):
        client.reply(1)
    client.outbox.accept(1)
    with pytest.raises(FrameTooLarge):
        client.reply(1, b"x" * (1 << 20))
    assert client.there.pushes == []
    assert client.reply(1) is True


# Without a connection


def test_without_a_connection_everything_is_retained(client: Client) -> None:
    client.link = None
    client.push()
    client.outbox.accept(1)
    assert client.reply(1) is True
    assert client.outbox.retained == 2
    assert client.cursor == 0
    client.link = Link()
    client.sender.pump(client)
    assert client.there.numbers == [1, 2]


def test_the_pump_without_a_connection_does_nothing(client: Client) -> None:
    client.link = None
    client.push()
    client.sender.pump(client)
    assert client.cursor == 0


def test_a_replay_begins_behind_what_the_client_has(engine: ModuleType) -> None:
    client = Client(engine, after=10)
    client.link = None
    for _ in range(5):
        client.push()
    client.outbox.ack(11)
    client.link, client.cursor = Link(), 13
    client.sender.pump(client)
    assert client.there.numbers == [14, 15]
    client.push()
    assert client.there.numbers == [14, 15, 16]


# A connection that is slow


def test_above_high_water_messages_stay_in_the_outbox(client: Client) -> None:
    client.push(HIGH_WATER + 1)
    client.push()
    client.push()
    assert client.there.numbers == [1]
    assert client.outbox.retained == 3
    client.sender.pump(client)
    assert client.there.numbers == [1]


def test_with_room_again_the_pump_goes_on_in_order(client: Client) -> None:
    client.push(HIGH_WATER + 1)
    for _ in range(3):
        client.push()
    client.there.pending = 0
    client.sender.pump(client)
    client.push()
    assert client.there.numbers == [1, 2, 3, 4, 5]
    assert client.cursor == 5


def test_what_is_new_waits_for_what_is_behind(client: Client) -> None:
    """Room for the new message alone is no reason to let it overtake."""
    client.push(HIGH_WATER + 1)
    for _ in range(10):
        client.push(50_000)
    client.there.pending = HIGH_WATER - 10
    client.push()
    numbers = client.there.numbers
    assert numbers == list(range(1, len(numbers) + 1))
    assert 1 < len(numbers) < 12


def test_the_next_step_catches_up_by_itself(client: Client) -> None:
    client.push(HIGH_WATER + 1)
    client.push()
    client.there.pending = 0
    client.outbox.accept(1)
    client.reply(1)
    assert client.there.numbers == [1, 2, 3]
    assert client.cursor == 3


def test_at_high_water_there_is_still_room(client: Client) -> None:
    client.there.pending = HIGH_WATER
    client.push()
    assert client.there.numbers == [1]
    client.push()
    assert client.there.numbers == [1]


@pytest.mark.parametrize("size", [10, 1_000, 60_000, CHUNK, 200_000])
def test_what_is_on_the_connection_is_bounded(engine: ModuleType, size: int) -> None:
    client = Client(engine, {"window_bytes": 8 << 20, "window_messages": 2000})
    bound = HIGH_WATER + max(CHUNK, size + 100)
    sent = 0
    while client.outbox.retained_bytes < 2_000_000 and client.outbox.retained < 1000:
        client.push(size)
        sent += 1
        assert client.there.pending <= bound
    while client.cursor < sent:
        client.there.pending = 0
        client.sender.pump(client)
        assert client.there.pending <= bound
    assert client.there.numbers == list(range(1, sent + 1))


def test_what_was_acknowledged_meanwhile_is_not_sent_again(client: Client) -> None:
    client.link = None
    for _ in range(4):
        client.push()
    client.link = Link()
    client.outbox.ack(3)
    client.sender.pump(client)
    assert client.there.numbers == [4]


def test_when_everything_was_acknowledged_the_pump_catches_up(client: Client) -> None:
    client.there.pending = HIGH_WATER + 1
    for _ in range(3):
        client.push()
    client.outbox.ack(3)
    client.there.pending = 0
    client.sender.pump(client)
    client.push()
    assert client.there.numbers == [4]


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
        assert client.sender.refuse(client, 1, 400, "", "", {}) is True
        assert client.sender.refuse(client, 1, 400, "", "", {}) is False
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


# A connection that is about to go


def test_a_closed_link_takes_nothing(client: Client) -> None:
    """In the turn between the transport's close and its callback: the cursor stays, so that it is replayed."""
    client.push()
    client.there.closed = True
    client.push()
    client.outbox.accept(1)
    client.reply(1)
    assert client.there.numbers == [1]
    assert (client.cursor, client.handed) == (1, 1)
    client.link = Link()
    client.sender.pump(client)
    assert client.there.numbers == [2, 3]
    assert (client.cursor, client.handed) == (3, 3)


def test_what_was_ever_handed_over_is_remembered(client: Client) -> None:
    for _ in range(3):
        client.push()
    client.link, client.cursor = None, 1
    client.push()
    assert client.handed == 3
    client.link = Link()
    client.there.pending = HIGH_WATER + 1
    client.sender.pump(client)
    assert (client.cursor, client.handed) == (1, 3)


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
            assert poor.sender.refuse(poor, 1, 400, "x" * 300, "", {})
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
    hog.sender.refuse(hog, 0, 0, "", "x" * (left - 12), {})  # its frame has 12 bytes more
    assert budget.used == 1000, "with the reserve of replies there is nothing left"
    assert poor.sender.release(poor) is True
    assert (poor.there.pushes, poor.outbox.held, poor.overflows, len(poor.room)) == ([], 1, 0, 1)
    hog.outbox.ack(1)
    poor.sender.acknowledged(poor)
    assert poor.there.numbers == [1]
