"""The memory that all sessions share: it has a bound, and who fills it goes before who does not (protocol §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode, ResetReason, SyncHint
from quicgw_fast.flow.memory import Memory
from quicgw_fast.observe import Metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]

LIMIT = 100_000


async def crowd(house: House, count: int, size: int) -> list[Client]:
    """Clients that have so many bytes and acknowledge nothing."""
    clients = []
    for number in range(count):
        clients.append(await house.online(f"hog{number}"))
        assert (await house.push(f"hog{number}", data=b"x" * size)).success
    return clients


async def test_it_has_a_bound_and_is_given_back(make_house: MakeHouse) -> None:
    house = await make_house(session={"memory": LIMIT})
    clients = await crowd(house, 30, 20_000)
    assert house.budget.used <= LIMIT
    shed = [client for client in clients if client.ended is CloseCode.SLOW_CONSUMER]
    assert len(shed) == house.count("overflows") == house.count("memory_victims") > 20
    for client in clients:
        if client.ended is None:
            client.stop()
    await house.pass_time(house.config.session.resume_window + 1)
    assert house.budget.used == 0
    assert len(house.path.registry) == 0


async def test_a_healthy_client_does_not_pay_for_others(make_house: MakeHouse) -> None:
    """Whoever fills the memory and acknowledges nothing goes; who reads and acknowledges loses nothing."""
    house = await make_house(session={"memory": LIMIT})
    healthy = await house.online("healthy")
    for number in range(4):
        await house.push("healthy", content=str(number))
    await crowd(house, 8, 15_000)
    expected = [str(number) for number in range(4)]
    for number in range(20):
        healthy.call("echo", b"x" * 900)
        await house.settle()
        assert (await house.broadcast(f"b{number}", data=b"y" * 900)).sent_count > 1
        expected += [f"200 {'x' * 900}", "y" * 900]
        await house.push(f"hog{number % 8}", data=b"z" * 15_000)
        assert healthy.texts == expected
        if number % 4 == 3:
            healthy.ack(healthy.numbers[-1])
    assert healthy.ended is None
    assert house.budget.used <= LIMIT
    assert house.count("memory_victims") > 0


async def test_replies_of_one_message_each_are_no_way_around_it(make_house: MakeHouse) -> None:
    """That one message always fits is for the window of a session, never for the memory of the process."""
    house = await make_house(session={"memory": LIMIT})
    for number in range(20):
        client = await house.online(f"hog{number}")
        client.call("echo", b"x" * 30_000)
        await house.settle()
        assert house.budget.used <= LIMIT * 5 // 4
    assert house.count("replies_dropped") == 0


async def test_who_is_away_goes_first(make_house: MakeHouse) -> None:
    house = await make_house(session={"memory": LIMIT})
    clients = await crowd(house, 4, 20_000)
    clients[2].link.lose()
    newcomer = await house.online("newcomer")
    assert (await house.push("newcomer", data=b"x" * 19_900)).message == "sent"
    assert [client.session.outbox.overflowed for client in clients] == [False, False, True, False]
    assert newcomer.ended is None
    again = house.back(clients[2], 1)
    assert again.answer.reset_reason == ResetReason.OVERFLOW
    assert (again.answer_headers["gap-notifies"], again.answer_headers["gap-unnumbered"]) == ("1", "0")


async def test_what_is_bound_and_cached_counts(make_house: MakeHouse) -> None:
    house = await make_house(session={"memory": LIMIT})
    client = await house.online("binder")
    for client_seq in range(10, 14):
        told = await house.push("binder", data=b"x" * 20_000, hint=SyncHint.BEFORE_RESPONSE, client_seq=client_seq)
        assert told.message == "bound"
    assert house.budget.used > 80_000
    house.started("waiting")
    assert (await house.push("waiting", data=b"x" * 25_000)).message == "cached"
    assert client.ended is CloseCode.SLOW_CONSUMER  # the room that it took was needed
    assert house.budget.used < 30_000


async def test_a_push_that_is_refused_is_in_no_account(make_house: MakeHouse) -> None:
    """Also when its own session had to go to make room; a broadcast is owed, and lost."""
    house = await make_house(session={"memory": LIMIT})
    client = await house.online()
    taken = 0
    while (told := await house.push(data=b"x" * 30_000)).success:
        taken += 1
    assert (told.error_code, client.ended) == ("WINDOW_FULL", CloseCode.SLOW_CONSUMER)
    assert house.accounts()["notifies"] == {"accepted": taken, "delivered": 0, "lost": 0, "open": taken, "stored": 0}
    other = await house.online("other")
    broadcasts = 1
    while (await house.broadcast(data=b"x" * 30_000)).sent_count:
        broadcasts += 1
    assert other.ended is CloseCode.SLOW_CONSUMER
    lost = broadcasts + 1  # for the one that overflowed before, and the last one for the other too
    accepted = taken + 2 * broadcasts
    assert house.accounts()["notifies"] == {
        "accepted": accepted,
        "delivered": 0,
        "lost": lost,
        "open": accepted - lost,
        "stored": 0,
    }


async def test_what_can_never_fit_costs_nobody_anything(make_house: MakeHouse) -> None:
    house = await make_house(session={"memory": LIMIT})
    healthy, other = await house.online("healthy"), await house.online("other")
    await house.push("healthy", content="kept")
    too_long = b"x" * (LIMIT + LIMIT // 4)
    assert (await house.push("other", data=too_long)).error_code == "WINDOW_FULL"
    told = await house.push("other", data=too_long, hint=SyncHint.BEFORE_RESPONSE, client_seq=99)
    assert told.error_code == "BIND_LIMIT"
    house.started("third")
    assert (await house.push("third", data=b"x" * 60_000)).message == "cached"
    assert (await house.push("third", data=too_long)).error_code == "CACHE_FULL"
    other.call("echo", too_long)
    await house.settle()
    assert (other.ended, healthy.ended) == (CloseCode.SLOW_CONSUMER, None)
    assert not healthy.session.outbox.overflowed


async def test_where_nobody_holds_anything_no_room_can_be_made(house: House) -> None:
    """And nobody is closed for it."""
    client = house.started()
    overflowed: list[object] = []
    room = Memory(house.clock.face, Metrics(), house.path.registry, house.budget, house.path.closing, overflowed.append)
    assert room.make_room(house.budget.limit) is False
    assert room.make_room(house.budget.limit * 2) is False
    assert (client.ended, overflowed) == (None, [])
