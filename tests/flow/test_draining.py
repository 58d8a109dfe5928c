"""The last leg of a stop: who has everything leaves at once, who moves is waited for, who does not is given up."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.flow import draining
from quicgw_fast.flow.draining import LAST_MOMENT, SLICE

if TYPE_CHECKING:
    from tests.flow.house import Client, House

PATIENCE = 10.0
"""The default of ``session.slow_consumer_after``."""


@pytest.fixture(autouse=True)
def _looks_in_every_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "LOOK_EVERY", 0.0)


async def handing_out(house: House, seconds: float = 60.0) -> asyncio.Task[None]:
    """Begin the last leg, which may take so long, and let it look at everybody."""
    task = asyncio.create_task(house.path.hand_out.run(house.clock.now + seconds))
    await house.settle()
    return task


async def pass_time(house: House, seconds: float) -> None:
    """Move the clock, without any housekeeping: a gateway that stops has none."""
    house.clock.advance(seconds)
    await house.settle()


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
    await house.settle()
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
    await house.settle()
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
    task = asyncio.create_task(house.path.hand_out.run(house.clock.now + 60.0))
    closed = []
    while not task.done():
        await asyncio.sleep(0)
        closed.append(sum(client.ended is not None for client in clients))
    assert closed[:3] == [SLICE, 2 * SLICE, 2 * SLICE + 1]
