"""Full windows, the memory of all sessions, and clients that do not read or do not acknowledge (protocol §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode, ResetReason, SyncHint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]


async def fill(house: House, count: int, target: str = "alice") -> None:
    for number in range(count):
        assert (await house.push(target, content=str(number))).success


# Full windows


async def test_a_client_that_does_not_acknowledge_is_closed_and_can_resume(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_messages": 10})
    client = await house.online()
    await fill(house, 9)
    await house.pass_time(1.0)
    await house.pass_time(10.0)
    assert client.ended is None
    await house.pass_time(0.5)
    assert client.ended is CloseCode.SLOW_CONSUMER
    again = house.back(client, 1)
    assert again.answer.resumed
    assert again.texts == [str(number) for number in range(9)]
    assert house.count("slow_consumers") == 1


async def test_eighty_percent_are_no_slow_consumer(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_messages": 10})
    client = await house.online()
    await fill(house, 8)
    for _ in range(5):
        await house.pass_time(10.0)
    assert client.ended is None


async def test_any_acknowledgement_begins_the_time_anew(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_messages": 20})
    client = await house.online()
    await fill(house, 20)
    for number in range(2, 5):  # the window stays over 80 %
        await house.pass_time(1.0)
        await house.pass_time(9.5)
        client.ack(number)
    assert client.session.outbox.fill > 0.8
    assert client.ended is None


async def test_a_stale_ack_is_no_sign_of_life_for_the_window(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_messages": 10})
    client = await house.online()
    await fill(house, 9)
    for _ in range(4):
        await house.pass_time(4.0)
        client.ack(1)
    assert client.ended is CloseCode.SLOW_CONSUMER


async def test_a_client_that_reads_slowly_is_no_slow_consumer(house: House) -> None:
    """1 MiB at 65 kB/s: it cannot acknowledge before all of it is there, but QUIC shows that it reads."""
    client = await house.online()
    client.link.counts_pending = True
    assert (await house.push(data=bytes(1_000_000))).success
    while client.link.pending > 65_000:
        await house.pass_time(1.0)
        client.link.read(65_000)
        assert client.ended is None
    client.link.read(client.link.pending)
    await house.pass_time(9.0)
    client.ack(client.numbers[-1])
    await house.pass_time(60.0)
    assert client.ended is None


async def test_a_client_that_reads_everything_and_acknowledges_nothing_is_closed(house: House) -> None:
    client = await house.online()
    await house.push(data=bytes(1_000_000))
    for _ in range(9):
        await house.pass_time(1.0)
        client.heartbeat()  # its answer is acknowledged by QUIC too, and is no sign of life for the window
        assert client.ended is None
    await house.pass_time(2.5)
    assert client.ended is CloseCode.SLOW_CONSUMER
    assert house.back(client, 1).answer.resumed


async def test_a_client_that_stops_reading_half_way_is_closed(house: House) -> None:
    client = await house.online()
    client.link.counts_pending = True
    await house.push(data=bytes(1_000_000))
    for _ in range(20):
        await house.pass_time(1.0)
        client.link.read(10_000)
    assert client.ended is None
    await house.pass_time(1.0)
    await house.pass_time(10.1)
    assert client.ended is CloseCode.SLOW_CONSUMER


async def test_replies_have_a_reserve(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_messages": 4})
    client = await house.online()
    house.upstream.held.add("slow")
    seq = client.call("slow")
    await fill(house, 4)
    await house.settle()
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert client.replies(seq)
    assert client.ended is None


async def test_a_reply_beyond_the_reserve_is_an_overflow(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_messages": 4})
    client = await house.online()
    house.upstream.held.add("slow")
    seqs = [client.call("slow"), client.call("slow")]
    await house.push(content="b", hint=SyncHint.BEFORE_RESPONSE, client_seq=seqs[0])
    await fill(house, 4)
    await house.settle()
    for call in house.upstream.waiting():
        call.answer()
    await house.settle()
    assert client.ended is CloseCode.SLOW_CONSUMER
    assert client.texts == ["0", "1", "2", "3"]  # nothing of the group, nothing after it
    assert house.count("overflows") == 1
    assert house.count("replies_dropped") == 1  # the other one was given up with the session
    assert house.budget.used == 0
    again = house.back(client, 3)
    assert again.answer.reset_reason == ResetReason.OVERFLOW
    assert {name: value for name, value in again.answer_headers.items() if value != "0"} == {
        "gap-reason": "OVERFLOW",
        "gap-from": "4",
        "gap-to": "5",
        "gap-responses": "1",
        "gap-notifies": "3",
        "gap-unnumbered": "2",
        "gap-unanswered": "1",
    }
    again.call("hello", seq=1)
    await house.settle()
    assert again.numbers == [4]


async def test_errors_for_refused_messages_are_bounded_too(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_messages": 8})
    client = await house.online()
    for _ in range(50):
        client.call("echo", seq=999)
    assert client.ended is CloseCode.SLOW_CONSUMER
    assert len(client.numbered) == 10
    assert house.budget.used == 0


async def test_one_message_always_fits_into_an_empty_window(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_bytes": 100})
    client = await house.online()
    assert (await house.push(data=b"x" * 1000)).success
    assert (await house.push()).error_code == "WINDOW_FULL"
    client.ack(client.numbers[-1])
    assert (await house.push(data=b"x" * 1000)).success


async def test_one_step_always_fits_into_an_empty_window(house: House) -> None:
    """A reply of 900 kB with a notify of 500 kB before it, which was answered "bound"."""
    client = await house.online()
    seq = client.seq + 1
    notify = b"n" * 500_000
    assert (await house.push(data=notify, hint=SyncHint.BEFORE_RESPONSE, client_seq=seq)).message == "bound"
    client.call("echo", b"r" * 900_000, seq=seq)
    await house.settle()
    assert [len(text) for text in client.texts] == [500_000, 900_004]
    assert client.ended is None


async def test_what_could_not_go_out_with_its_reply_is_not_bound(house: House) -> None:
    client = await house.online()
    seq = client.seq + 1
    told = [
        await house.push(data=b"n" * 700_000, hint=hint, client_seq=seq + number)
        for number, hint in enumerate([SyncHint.BEFORE_RESPONSE, SyncHint.AFTER_RESPONSE, SyncHint.BEFORE_RESPONSE])
    ]
    assert [t.message for t in told[:1]] == ["bound"]
    assert [t.error_code for t in told] == ["", "BIND_LIMIT", "BIND_LIMIT"]
    assert house.budget.used < 1_000_000


async def test_what_was_cached_is_not_lost_to_a_small_window(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_messages": 10})
    client = house.started()
    told = [await house.push(content=str(number)) for number in range(64)]
    cached = [t.success for t in told].count(True)
    assert cached == 10
    assert {t.error_code for t in told[cached:]} == {"CACHE_FULL"}
    client.call("hello")
    await house.settle()
    assert client.ended is None
    told_late = await house.push(content="late")
    while len(client.numbered) < 1 + cached:
        client.ack(client.numbers[-1])
    assert client.texts == ["200 ", *map(str, range(cached)), *(["late"] if told_late.success else [])]
    assert client.numbers == list(range(1, len(client.numbers) + 1))


async def test_what_is_left_of_the_cache_goes_before_anything_new(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_messages": 4})
    client = house.started()
    for number in range(4):
        assert (await house.push(content=str(number))).message == "cached"
    for _ in range(3):
        client.call("echo", seq=0)  # refused, with numbers
    client.call("hello")
    await house.settle()
    assert client.texts == ["error 400"] * 3 + ["200 ", "0"]
    assert (await house.push(content="new")).error_code == "WINDOW_FULL"
    client.ack(3)
    assert client.texts[5:] == ["1", "2", "3"]
    assert (await house.push(content="new")).error_code == "WINDOW_FULL"
    client.ack(5)
    assert (await house.push(content="new")).message == "sent"
    assert client.texts[8:] == ["new"]
    assert client.ended is None


# A client that does not read


async def test_who_does_not_read_costs_no_more_than_its_window(house: House) -> None:
    client = await house.online()
    client.link.counts_pending = True
    pushed = 0
    while (await house.push(content=str(pushed), data=b"x" * 10_000)).success:
        pushed += 1
    assert pushed > 90
    assert client.link.pending < 600_000
    assert len(client.numbered) < pushed
    while client.numbers[-1] < pushed + 1:
        client.link.relieve()
    assert client.numbers == list(range(2, pushed + 2))


async def test_a_connection_with_room_again_goes_on_with_the_next_message(house: House) -> None:
    """Also if nobody ever says that it is writable: the cursor must not stay behind for ever."""
    client = await house.online()
    client.link.pending = 1 << 20
    await house.push(content="first")
    assert client.texts == []
    client.link.pending = 0
    await house.push(content="second")
    assert client.texts == ["first", "second"]
