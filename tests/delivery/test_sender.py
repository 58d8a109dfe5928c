"""The ordered way down: in order or not at all, and never more on the connection than it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.backend import BindRefused, FrameTooLarge, NotInFlight
from quicgw_fast.delivery import CHUNK
from tests.support.wire import business, error

from .recipient import HIGH_WATER, Client, Link, an_error

if TYPE_CHECKING:
    from types import ModuleType


def test_a_push_goes_out_at_once(client: Client) -> None:
    client.push()
    client.push()
    assert client.there.numbers == [1, 2]
    assert (client.cursor, client.look_at) == (2, 0.0)


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
    assert client.sender.refuse(client, 5, an_error(400, "wrong", "expected 1", k="v")) is True
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


def test_one_notify_for_many_leaves_at_once_where_nothing_is_in_its_way(engine: ModuleType) -> None:
    plain, behind, crowded, away = clients = [Client(engine) for _ in range(4)]
    behind.there.pending = crowded.there.pending = HIGH_WATER + 1
    behind.push()
    behind.there.pending = 0
    away.link = None

    body = plain.body(3)
    assert plain.sender.push_to_all(clients, body) == []

    assert plain.there.numbers == [1]
    assert behind.there.numbers == [1, 2], "what waited goes first"
    assert {one.look_at for one in clients} == {0.0}
    assert crowded.there.numbers == [], "it stays in the outbox"
    assert [(one.cursor, one.handed, one.outbox.last_seq) for one in clients] == [
        (1, 1, 1), (2, 2, 2), (0, 0, 1), (0, 0, 1)
    ]  # fmt: skip
    crowded.there.pending = 0
    crowded.sender.pump(crowded)
    assert crowded.there.numbers == [1]


def test_one_notify_for_many_tells_who_did_not_get_it(engine: ModuleType) -> None:
    full, overflowed, plain = clients = [Client(engine, {"window_messages": 1}) for _ in range(3)]
    full.push()
    overflowed.sender.overflow(overflowed)
    assert plain.sender.push_to_all(clients, plain.body()) == [full, overflowed]
    assert [one.outbox.last_seq for one in clients] == [1, 0, 1]
    assert full.overflows == 0
    assert overflowed.outbox.tally.notifies_lost == 0
