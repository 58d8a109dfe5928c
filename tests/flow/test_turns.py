"""What one client's requests may do to another's: turns, deadlines, and the end of a session (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import ResetReason
from quicgw_fast.proto.service_pb2 import UpstreamResponse
from tests.support.wire import business

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]


async def busy_house(make_house: MakeHouse, **options: object) -> tuple[House, Client]:
    """Four workers, and a client whose 64 calls hang."""
    house = await make_house(**{"processor": {"max_workers": 4}, **options})
    client = await house.online("greedy")
    house.upstream.held.add("slow")
    for _ in range(64):
        client.call("slow")
    await house.settle()
    return house, client


def assert_all_counted(house: House) -> None:
    """Every accepted request was replied to, or counted as dropped, or is still in flight."""
    ways = ("replies", "errors", "replies_dropped", "in_flight_dropped")
    open_now = sum(session.outbox.in_flight for session in house.path.registry)
    assert house.count("requests") == sum(map(house.count, ways)) + open_now


# Turns


async def test_one_client_leaves_a_worker_to_the_others(make_house: MakeHouse) -> None:
    house, _ = await busy_house(make_house)
    assert len(house.upstream.waiting("slow")) == 3
    for number in range(10):
        other = await house.online(f"other {number}")
        other.call("echo", b"quick")
        await house.settle()
        assert other.texts == ["200 quick"]


async def test_requests_of_one_client_start_in_their_order(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_workers": 3})
    client, other = await house.online("alice"), await house.online("bob")
    house.upstream.held |= {f"a{number}" for number in range(8)} | {"b0", "b1"}
    for number in range(8):
        client.call(f"a{number}")
    other.call("b0")
    other.call("b1")
    await house.settle()
    for _ in range(10):
        house.upstream.waiting()[0].answer()
        await house.settle()
    called = house.upstream.called()[2:]
    assert [action for action in called if action[0] == "a"] == [f"a{number}" for number in range(8)]
    assert [action for action in called if action[0] == "b"] == ["b0", "b1"]
    assert called.index("b1") < called.index("a6"), "they did not take turns"


async def test_alone_a_client_has_all_workers_but_one(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_workers": 4})
    client = await house.online()
    house.upstream.held.add("slow")
    for _ in range(10):
        client.call("slow")
    await house.settle()
    for _ in range(10):
        assert len(house.upstream.waiting()) == min(3, 10 - len(client.numbered))
        house.upstream.waiting()[0].answer()
        await house.settle()
    assert client.texts == ["200 "] * 10


# Deadlines


async def test_queued_requests_are_504_at_their_deadline(make_house: MakeHouse) -> None:
    house, greedy = await busy_house(make_house)
    seq = greedy.call("echo", headers={"timeout-ms": "200"})  # the 65th in flight
    assert greedy.error_of(seq).error_code == 429
    for call in house.upstream.waiting()[:1]:
        call.answer()
    await house.settle()
    seq = greedy.call("echo", headers={"timeout-ms": "200"})
    house.clock.advance(0.199)
    assert not greedy.replies(seq)
    house.clock.advance(0.002)
    assert greedy.error_of(seq).error_code == 504
    assert "echo" not in house.upstream.called()
    house.clock.advance(29.9)
    # All that waited, at once; the three that are under way are for their service's deadline to end.
    assert [len(greedy.replies(number)) for number in range(2, 66)].count(1) == 61
    assert house.stats("processor")["queue_length"] == 0
    assert_all_counted(house)


async def test_what_waits_behind_a_hello_is_504_at_its_deadline(house: House) -> None:
    house.upstream.held.add("hello")
    client = house.started()
    hello = client.call("hello")
    soon, second = client.call("echo", headers={"timeout-ms": "200"}), client.call("hello")
    kept = client.call("echo", b"kept")
    house.clock.advance(0.2)
    assert client.error_of(soon).error_code == 504
    await house.settle()
    house.upstream.waiting()[0].answer()
    await house.settle()
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert business(client.reply(kept)).data == b"kept"
    assert [len(client.replies(seq)) for seq in (hello, soon, second, kept)] == [1] * 4
    assert house.stats("logins")["late_behind"] == 1
    assert_all_counted(house)


async def test_a_login_that_waits_for_its_turn_is_504_at_its_deadline(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_logins": 1})
    house.upstream.held.add("hello")
    house.started("first").call("hello")
    client = house.started("second")
    hello = client.call("hello", headers={"timeout-ms": "200"})
    behind = client.call("echo")
    await house.settle()
    house.clock.advance(0.2)
    assert client.error_of(hello).error_code == 504
    assert client.error_of(behind).error_code == 401
    again = client.call("hello")
    house.upstream.waiting()[0].answer()
    await house.settle()
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert business(client.reply(again)).code == 200


async def test_a_client_that_is_away_finds_the_504_when_it_is_back(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_workers": 1})
    client, other = await house.online(), await house.online("bob")
    house.upstream.held.add("slow")
    other.call("slow")
    seq = client.call("echo", headers={"timeout-ms": "500"})
    await house.settle()
    client.link.lose()
    house.clock.advance(0.5)
    again = house.back(client, 1)
    assert again.answer.resumed
    assert again.error_of(seq).error_code == 504


# Sessions that end


@pytest.mark.parametrize("how", ["stop", "expiry", "replaced", "overflow"])
async def test_the_calls_of_an_ended_session_are_cancelled_and_its_workers_freed(
    make_house: MakeHouse, how: str
) -> None:
    house, greedy = await busy_house(make_house, session={"resume_window": "10s", "window_messages": 8})
    session = greedy.session
    if how == "stop":
        greedy.stop()
    elif how == "expiry":
        greedy.link.lose()
        await house.pass_time(10.5)
    elif how == "replaced":
        house.started("greedy")
    else:
        for _ in range(20):
            await house.broadcast()
        assert house.count("overflows") == 1
    await house.settle()
    assert house.upstream.waiting() == []
    stats = house.stats("processor")
    assert (stats["busy_workers"], stats["queue_length"]) == (0, 0)
    assert (stats["cancelled"], stats["skipped"]) == (3, 61)
    if how == "overflow":  # what was given up stays open until the session ends: by a reset, or after its time
        assert house.accounts()["responses"]["open"] == 64
        assert house.back(greedy, 1).answer.reset_reason == ResetReason.OVERFLOW
    assert house.count("in_flight_dropped") == 64
    assert house.path.request_memory.used == session.request_bytes == 0
    assert_all_counted(house)


async def test_a_stop_during_the_login_calls_it_off(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_logins": 1})
    house.upstream.held.add("hello")
    first, second = house.started("first"), house.started("second")
    first.call("hello")
    behind = [first.call("echo"), first.call("hello")]
    await house.settle()
    first.stop()
    second.call("hello")
    await house.settle()
    (call,) = house.upstream.waiting()
    assert call.request.openid == "second"
    assert not any(first.replies(seq) for seq in behind)
    assert house.count("in_flight_dropped") == 3
    house.clock.advance(60.0)
    assert not first.numbered
    assert_all_counted(house)


async def test_a_session_that_ends_leaves_those_of_others_alone(make_house: MakeHouse) -> None:
    house, greedy = await busy_house(make_house)
    other = await house.online("other")
    seq = other.call("slow")
    await house.settle()
    greedy.stop()
    await house.settle()
    (call,) = house.upstream.waiting()
    call.answer(data=b"kept")
    await house.settle()
    assert business(other.reply(seq)).data == b"kept"


# Logins


async def test_logins_are_bounded_and_wait_in_their_own_queue(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_workers": 4})
    house.upstream.held.add("hello")
    clients = [house.started(f"u{number}") for number in range(40)]
    for client in clients:
        client.call("hello")
    seen = 0
    while waiting := (await house.settle(), house.upstream.waiting("hello"))[1]:
        assert len(waiting) <= 4
        seen += len(waiting)
        for call in waiting:
            call.answer()
    assert seen == 40
    assert all(client.texts == ["200 "] for client in clients)
    assert house.stats("logins")["submitted"] == 40


@pytest.mark.parametrize(
    ("section", "bound"),
    [
        ({"processor": {"max_workers": 6}}, 6),
        ({"processor": {"max_workers": 6, "max_logins": 2}}, 2),
        ({"processor": {"max_logins": 20}}, 20),
        ({"processor": {"max_logins": 20}, "upstream": {"max_concurrency": 3}}, 3),
        ({"processor": {"max_logins": 20}, "upstream": {"max_concurrency": 3}, "routing": {"mode": "zone"}}, 20),
    ],
)
async def test_the_bound_of_logins(make_house: MakeHouse, section: dict[str, object], bound: int) -> None:
    house = await make_house(**section)
    assert house.stats("logins")["max_workers"] == bound


async def test_a_login_that_finds_no_place_is_503_and_what_is_behind_it_goes_on(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_workers": 1, "max_queue_size": 1})
    house.upstream.held.add("hello")
    for number in range(2):
        house.started(f"u{number}").call("hello")
    client = house.started()
    hello, behind = client.call("hello"), client.call("echo")
    assert client.error_of(hello).error_code == 503
    assert int(client.reply(hello).headers["retry-after-ms"]) > 0
    assert client.error_of(behind).error_code == 401
    assert house.count("queue_full") == 1
    assert_all_counted(house)


async def test_a_login_that_had_no_first_step_is_answered_and_what_waits_behind_it(house: House) -> None:
    """The reply is owed by the account of tasks, not by a coroutine that may be cancelled before it runs."""
    client = house.started()
    seqs = [client.call("hello"), client.call("echo"), client.call("hello"), client.call("echo")]
    house.path.draining.refusing = True
    await house.stop(0.0)
    assert [len(client.replies(seq)) for seq in seqs] == [1] * 4
    assert client.numbers == [1, 2, 3, 4]
    assert_all_counted(house)


async def test_a_second_hello_that_waits_is_answered_within_the_drain(house: House) -> None:
    client = house.started()
    seqs = [client.call("hello"), client.call("hello"), client.call("echo")]
    house.path.draining.refusing = True
    await house.stop(60.0)
    assert [business(client.reply(seq)).code for seq in seqs] == [200] * 3


async def test_a_bug_in_the_login_costs_neither_it_nor_what_waits_behind_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = house.started()
    monkeypatch.setattr(house.path.logins, "_logged_in", lambda *_: 1 / 0)
    house.upstream.answers["hello"] = UpstreamResponse(code=200)
    hello, behind = client.call("hello"), client.call("echo")
    await house.settle()
    assert business(client.reply(hello)).code == 200
    assert client.error_of(behind).error_code == 401
