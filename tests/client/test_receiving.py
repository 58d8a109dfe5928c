"""What happens when notifies come faster than the application reads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.client import ConnectionClosed, ReceiveQueueFull, State
from quicgw_fast.codes import CloseCode
from quicgw_fast.proto.client_pb2 import ServerPush

if TYPE_CHECKING:
    from tests.client.conftest import Connect, States
    from tests.client.scripted import ScriptedGateway


async def test_pause_acknowledges_only_what_there_is_room_for(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect(queue_size=3, ack_every=1)
    for number in range(10):
        gateway.notify(b"%d" % number)
    reply = await client.call("echo", data=b"calls go on")
    assert reply.data == b"calls go on"
    await gateway.until(lambda: gateway.acks and gateway.acks[-1] == 4)
    assert client.ticket is not None
    assert client.ticket.last_acked == 4
    assert client.pending_notifies == 10
    for number in range(4):
        assert (await client.next_notify()).data == b"%d" % number
    await gateway.until(lambda: gateway.acks[-1] == 8)
    for number in range(4, 10):
        assert (await client.next_notify()).data == b"%d" % number
    await gateway.until(lambda: gateway.acks[-1] == 12)


async def test_pause_loses_nothing_over_a_resume_and_a_reset(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect(queue_size=2)
    for number in range(6):
        gateway.notify(b"%d" % number)
    await client.call("echo")
    gateway.peer.close(CloseCode.SLOW_CONSUMER)
    await states.reach(State.RESUMED)
    start = gateway.peer.start
    assert start is not None
    assert start.last_acked_seq_id == 3
    await client.call("echo")
    assert client.stats.duplicates == 5
    gateway.session = None
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RESET)
    await client.call("echo")
    gateway.notify(b"6")
    assert [(await client.next_notify(timeout=5)).data for _ in range(7)] == [b"%d" % n for n in range(7)]
    assert gateway.session is not None
    last = gateway.session.last
    await gateway.until(lambda: gateway.acks and gateway.acks[-1] == last)


async def test_drop_oldest_counts(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect(queue_size=3, queue_policy="drop_oldest")
    for number in range(10):
        gateway.notify(b"%d" % number)
    await client.call("echo")
    await gateway.until(lambda: gateway.acks and gateway.acks[-1] == 12)
    assert client.stats.dropped_notifies == 7
    assert [(await client.next_notify()).data for _ in range(3)] == [b"7", b"8", b"9"]


async def test_fail_closes_and_leaves_the_rest_at_the_gateway(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect(queue_size=2, queue_policy="fail")
    for number in range(5):
        gateway.notify(b"%d" % number)
    event = await states.reach(State.CLOSED)
    assert isinstance(event.error, ReceiveQueueFull)
    with pytest.raises(ReceiveQueueFull):
        await client.call("echo")
    seen = []
    with pytest.raises(ReceiveQueueFull):
        async for notify in client.notifies():
            seen.append(notify.data)  # noqa: PERF401  (what came before the error counts)
    assert seen == [b"0", b"1"]
    assert gateway.stops == []
    ticket = client.ticket
    assert ticket is not None
    assert ticket.last_acked == 3
    again = await connect(resume=ticket)
    assert [(await again.next_notify(timeout=5)).data for _ in range(3)] == [b"2", b"3", b"4"]


async def test_what_was_kept_back_goes_to_the_next_process(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect(queue_size=1)
    for number in range(3):
        gateway.notify(b"%d" % number)
    await client.call("echo")
    ticket = await client.detach()
    assert [notify.data async for notify in client.notifies()] == [b"0"]
    again = await connect(resume=ticket)
    assert [(await again.next_notify(timeout=5)).data for _ in range(2)] == [b"1", b"2"]


async def test_what_is_read_while_away_is_acknowledged_by_the_next_start(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    client = await connect(queue_size=1)
    for number in range(3):
        gateway.notify(b"%d" % number)
    await client.call("echo")
    gateway.silent = True
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RECONNECTING)
    assert [(await client.next_notify()).data for _ in range(3)] == [b"0", b"1", b"2"]
    await gateway.until(lambda: len(gateway.peers) == 2 and gateway.peer.requests)
    gateway.silent = False
    gateway.peer.close(CloseCode.INTERNAL)  # that START was not answered; the next one is
    await states.reach(State.RESUMED)
    assert gateway.peer.start is not None
    assert gateway.peer.start.last_acked_seq_id == 5


async def test_a_message_of_a_later_version_takes_its_number_and_nothing_else(
    gateway: ScriptedGateway, connect: Connect
) -> None:
    client = await connect()
    gateway.number(ServerPush(type=77))  # type: ignore[arg-type]  # no version knows it
    assert (await client.call("echo")).ok
    await gateway.until(lambda: gateway.acks and gateway.acks[-1] == 3)
    assert client.stats.unknown_messages == 1


async def test_many_clients_in_one_loop(gateway: ScriptedGateway, connect: Connect) -> None:
    """One obedient gateway has one session only; here it is enough that connections do not disturb each other."""
    clients = [await connect(login=False, reconnect=False) for _ in range(20)]
    assert len(gateway.peers) == 20
    assert (await clients[-1].call("echo")).ok
    await asyncio.gather(*(client.close() for client in clients))
    for client in clients:
        with pytest.raises(ConnectionClosed):
            await client.call("echo")
