"""The last leg of a stop: who has everything leaves at once, who moves is waited for, who does not is given up."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.config import DrainConfig
from quicgw_fast.flow import draining
from quicgw_fast.flow.draining import ACK_MOMENT, LAST_MOMENT, SLICE
from quicgw_fast.flow.farewell import Farewell
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.transport import told_address, told_delay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]

PATIENCE = 10.0
"""The default of ``session.slow_consumer_after``."""


@pytest.fixture(autouse=True)
def _looks_in_every_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "LOOK_EVERY", 0.0)


async def handing_out(house: House, seconds: float = 60.0) -> asyncio.Task[None]:
    """Begin the last leg, which may take so long, and let it look at everybody."""
    until = house.clock.now + seconds
    task = asyncio.create_task(house.path.hand_out.run(until, lambda: house.path.requests.stop(until)))
    await house.settle()
    return task


async def pass_time(house: House, seconds: float) -> None:
    """Move the clock, without any housekeeping: a gateway that stops has none."""
    house.clock.advance(seconds)
    await house.settle()


async def moment(house: House) -> None:
    """Let the time pass in which clients may acknowledge."""
    await house.settle()
    await pass_time(house, ACK_MOMENT)


async def slow(house: House, openid: str = "alice", size: int = 10_000) -> Client:
    """A client that was sent a message of so many bytes and has not read it yet."""
    client = await house.online(openid)
    client.link.counts_pending = True
    assert (await house.push(openid, data=bytes(size))).success
    return client


async def test_who_has_everything_is_sent_elsewhere_at_once(house: House) -> None:
    clients = [await house.online("alice"), house.started("bob")]
    task = await handing_out(house)
    assert task.done()
    assert [client.ended for client in clients] == [CloseCode.DRAINING] * 2
    assert all(client.link.flushed for client in clients)
    assert house.count("drain_undelivered") == 0


async def test_without_clients_there_is_nothing_to_wait_for(house: House) -> None:
    away = await house.online()
    away.link.lose()
    assert (await handing_out(house)).done()
    assert away.link.ended is None


async def test_a_client_is_waited_for_until_it_has_read_everything(house: House) -> None:
    quick, client = await house.online("quick"), await slow(house)
    task = await handing_out(house)
    assert quick.ended is CloseCode.DRAINING
    client.link.read(client.link.pending - 1)
    await pass_time(house, 1.0)
    assert client.ended is None
    client.link.read(1)
    await moment(house)
    assert client.ended is CloseCode.DRAINING
    assert task.done()
    assert house.count("drain_undelivered") == 0


async def test_what_the_outbox_still_has_is_handed_over_first(house: House) -> None:
    client = await slow(house, size=600_000)
    assert (await house.push(content="behind")).message == "sent"
    assert client.session.cursor < client.session.outbox.last_seq, "the connection has no room for it"
    task = await handing_out(house)
    client.link.relieve()
    await house.settle()
    assert client.texts[-1] == "behind"
    assert client.ended is None
    client.link.relieve()
    await moment(house)
    assert client.ended is CloseCode.DRAINING
    assert task.done()


async def test_who_makes_no_progress_is_given_up_long_before_the_end(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    client = await slow(house)
    task = await handing_out(house)
    await pass_time(house, PATIENCE - 0.1)
    assert client.ended is None
    with caplog.at_level(logging.WARNING, "quicgw.gateway"):
        await pass_time(house, 0.2)
    assert task.done()
    assert client.ended is CloseCode.DRAINING
    assert client.link.flushed is False, "nobody would ever read it"
    assert house.count("drain_undelivered") == 1
    (line,) = [record for record in caplog.records if record.name == "quicgw.gateway"]
    assert line.getMessage() == "drain incomplete"
    assert (line.clients, line.messages) == (1, 1)  # type: ignore[attr-defined]


async def test_any_progress_begins_the_patience_anew(house: House) -> None:
    client = await slow(house)
    task = await handing_out(house)
    for _ in range(4):
        await pass_time(house, PATIENCE - 0.1)
        client.link.read(1)
        await house.settle()
    assert client.ended is None
    await pass_time(house, PATIENCE)
    assert client.ended is CloseCode.DRAINING
    assert task.done()


async def test_the_end_comes_for_who_still_makes_progress(house: House) -> None:
    client = await slow(house)
    task = await handing_out(house, seconds=3.0)
    for _ in range(2):
        await pass_time(house, 1.0)
        client.link.read(1)
    assert client.ended is None
    await pass_time(house, 1.0)
    assert client.ended is CloseCode.DRAINING
    assert task.done()
    assert house.count("drain_undelivered") == 1


@pytest.mark.parametrize("seconds", [-5.0, 0.0, LAST_MOMENT / 2])
async def test_a_last_answer_always_has_a_moment_to_arrive(house: House, seconds: float) -> None:
    client = await slow(house)
    task = await handing_out(house, seconds)
    await pass_time(house, LAST_MOMENT * 0.9)
    assert client.ended is None
    await pass_time(house, LAST_MOMENT * 0.2)
    assert client.ended is CloseCode.DRAINING
    assert task.done()


async def test_who_leaves_meanwhile_is_waited_for_no_more(house: House) -> None:
    client = await slow(house)
    task = await handing_out(house)
    client.link.lose()
    await house.settle()
    assert task.done()
    assert house.count("drain_undelivered") == 0


async def test_others_have_their_turn_between_many_clients(house: House) -> None:
    clients = [house.started(f"user-{number}") for number in range(2 * SLICE + 1)]
    until = house.clock.now + 60.0
    task = asyncio.create_task(house.path.hand_out.run(until, lambda: house.path.requests.stop(until)))
    closed = []
    while not task.done():
        await asyncio.sleep(0)
        closed.append(sum(client.ended is not None for client in clients))
    assert closed[:3] == [SLICE, 2 * SLICE, 2 * SLICE + 1]


# Turns


async def test_at_a_pace_clients_go_one_after_the_other_and_are_served_until_then(make_house: MakeHouse) -> None:
    house = await make_house(drain={"pace": 1})
    clients = [await house.online(f"user-{number}") for number in range(4)]
    task = await handing_out(house)
    for gone in range(1, 4):
        assert [client.ended for client in clients] == [CloseCode.DRAINING] * gone + [None] * (4 - gone)
        seq = clients[3].call("echo", data=b"served")
        await house.settle()
        assert clients[3].reply(seq).type == pb.PUSH_BUSINESS_DATA
        clients[3].ack(clients[3].numbers[-1])
        await pass_time(house, 1.0)
    assert clients[3].ended is CloseCode.DRAINING
    await pass_time(house, 1.0)
    assert task.done()
    assert house.path.draining.refusing


async def test_whose_turn_it_is_gets_its_answers_and_begins_nothing_more(make_house: MakeHouse) -> None:
    house = await make_house(drain={"pace": 1})
    busy, last = await house.online("busy"), await house.online("last")
    house.upstream.held |= {"slow"}
    accepted = busy.call("slow")
    await handing_out(house)
    refused = busy.call("echo")
    assert busy.error_of(refused).error_code == 503
    assert busy.ended is None
    served = last.call("echo")
    await house.settle()
    assert last.reply(served).type == pb.PUSH_BUSINESS_DATA
    (call,) = house.upstream.waiting()
    call.answer()
    await house.settle()
    assert busy.reply(accepted).type == pb.PUSH_BUSINESS_DATA
    assert busy.ended is None, "it may acknowledge them"
    busy.ack(busy.numbers[-1])
    await house.settle()
    assert busy.ended is CloseCode.DRAINING
    assert last.ended is None


async def test_turns_leave_half_of_the_time_for_what_was_accepted(make_house: MakeHouse) -> None:
    house = await make_house(drain={"pace": 1})
    clients = [await house.online(f"user-{number}") for number in range(10)]
    task = await handing_out(house, seconds=4.0)
    await pass_time(house, 1.0)
    assert sum(client.ended is not None for client in clients) == 6, "ten in two seconds"
    await pass_time(house, 1.0)
    assert task.done()
    assert all(client.ended is CloseCode.DRAINING for client in clients)


async def test_who_waits_for_an_answer_is_not_given_up_as_one_that_does_not_read(house: House) -> None:
    client = await house.online()
    client.link.counts_pending = True
    house.upstream.held |= {"slow"}
    client.call("slow")
    task = await handing_out(house)
    await pass_time(house, 2 * PATIENCE)
    assert client.ended is None
    (call,) = house.upstream.waiting()
    call.answer()
    await pass_time(house, PATIENCE - 0.1)
    assert client.ended is None
    client.link.read(client.link.pending)
    await moment(house)
    assert client.ended is CloseCode.DRAINING
    assert task.done()


async def test_who_has_no_work_does_not_wait_for_those_who_have(house: House) -> None:
    idle, busy = await house.online("idle"), await house.online("busy")
    house.upstream.held |= {"slow"}
    busy.call("slow")
    task = await handing_out(house)
    assert (idle.ended, busy.ended) == (CloseCode.DRAINING, None)
    (call,) = house.upstream.waiting()
    call.answer()
    await moment(house)
    assert busy.ended is CloseCode.DRAINING
    assert task.done()


async def test_what_fails_at_the_end_of_the_work_is_told(house: House) -> None:
    async def fails() -> None:
        raise RuntimeError("a bug")

    client = await house.online()
    with pytest.raises(RuntimeError, match="a bug"):
        await house.path.hand_out.run(house.clock.now + 1.0, fails)
    assert client.ended is CloseCode.DRAINING


# What they are told


def told(client: Client) -> float | None:
    assert client.link.ended is not None
    return told_delay(client.link.ended[1])


async def test_clients_are_told_to_come_back_spread_over_the_time(make_house: MakeHouse) -> None:
    house = await make_house(drain={"spread": 10.0})
    clients = [await house.online(f"user-{number}") for number in range(20)]
    await handing_out(house)
    times = sorted(told(client) or 0.0 for client in clients)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert times[0] < 1.5
    assert 8.5 < times[-1] <= 10.0
    assert max(gaps) < 1.6, times


@pytest.mark.parametrize(
    ("drain", "clients", "most"),
    [({}, 3, 2.0), ({}, 1000, 5.0), ({}, 100_000, 30.0), ({"spread": 0.0}, 1000, 0.0), ({"spread": 60.0}, 1, 30.0)],
)
def test_so_long_as_that_many_need_and_no_longer_than_the_drain(
    drain: dict[str, float], clients: int, most: float
) -> None:
    farewell = Farewell(DrainConfig.model_validate(drain), 30.0)
    farewell.spread_over(clients)
    times = [told_delay(farewell.detail()) for _ in range(200)]
    assert max(time for time in times if time is not None) == pytest.approx(most, rel=0.02)


def test_they_are_told_where_to_go() -> None:
    farewell = Farewell(DrainConfig(reconnect_to="gw-2.example:8443"), 30.0)
    assert told_address(farewell.detail()) == "gw-2.example:8443"
    assert told_address(Farewell(DrainConfig(), 30.0).detail()) is None
