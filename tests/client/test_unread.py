"""A program that only calls and never reads its notifies: told once, and not reset by the gateway for it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.client import State, inbox
from quicgw_fast.codes import CloseCode

if TYPE_CHECKING:
    from tests.client.conftest import Connect, States
    from tests.client.scripted import ScriptedGateway


def warnings(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """The events and whose they are."""
    return [(one.getMessage(), vars(one)["openid"]) for one in caplog.records if one.levelno == logging.WARNING]


async def test_after_a_while_the_oldest_are_dropped_with_one_warning(
    gateway: ScriptedGateway,
    connect: Connect,
    states: States,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(inbox, "UNREAD_TIMEOUT", 0.1)
    client = await connect(queue_size=4)
    for number in range(10):
        gateway.notify(b"%d" % number)
    await states.reach(State.UNREAD)
    for number in range(10, 30):
        gateway.notify(b"%d" % number)
    await client.call("echo")
    await gateway.until(lambda: gateway.acks and gateway.session and gateway.acks[-1] == gateway.session.last)
    assert client.stats.dropped_notifies == 26
    assert states.names.count("unread") == 1
    assert len(warnings(caplog)) == 1
    assert warnings(caplog)[0] == ("nobody reads the notifies, the oldest are dropped", "alice")
    # Whoever reads after all gets the newest, and nothing is dropped from then on.
    assert [(await client.next_notify()).data for _ in range(4)] == [b"26", b"27", b"28", b"29"]
    for number in range(10):
        gateway.notify(b"again %d" % number)
    await client.call("echo")
    await asyncio.sleep(0.2)
    assert [(await client.next_notify()).data for _ in range(10)] == [b"again %d" % number for number in range(10)]
    assert client.stats.dropped_notifies == 26


@pytest.mark.parametrize(("count", "size"), [(600, 10), (20, 60_000)], ids=["messages", "bytes"])
async def test_many_at_once_are_not_waited_with(
    gateway: ScriptedGateway, connect: Connect, states: States, count: int, size: int
) -> None:
    client = await connect(queue_size=4)
    for _ in range(count):
        gateway.notify(bytes(size))
    await states.reach(State.UNREAD, limit=inbox.UNREAD_TIMEOUT - 0.5)
    await client.call("echo")
    assert client.stats.dropped_notifies == count - 4


@pytest.mark.parametrize("policy", ["pause", "auto"])
async def test_a_program_that_reads_loses_nothing(
    gateway: ScriptedGateway, connect: Connect, states: States, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    monkeypatch.setattr(inbox, "UNREAD_TIMEOUT", 0.05)
    client = await connect(queue_size=2, queue_policy=policy)
    with pytest.raises(TimeoutError):
        await client.next_notify(timeout=0.01)
    for number in range(10):
        gateway.notify(b"%d" % number)
    await client.call("echo")
    await asyncio.sleep(0.15)
    assert [(await client.next_notify()).data for _ in range(10)] == [b"%d" % number for number in range(10)]
    assert State.UNREAD not in [event.state for event in states]
    assert client.stats.dropped_notifies == 0


async def test_pause_by_choice_stays_pause(
    gateway: ScriptedGateway,
    connect: Connect,
    states: States,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Then the gateway ends it, and the log says why, once."""
    monkeypatch.setattr(inbox, "UNREAD_TIMEOUT", 0.05)
    client = await connect(queue_size=2, queue_policy="pause")
    for number in range(6):
        gateway.notify(b"%d" % number)
    await client.call("echo")
    for count in (1, 2):
        gateway.peer.close(CloseCode.SLOW_CONSUMER)
        await states.reach(State.RESUMED, count)
    assert warnings(caplog) == [("closed as a slow consumer", "alice")]
    assert [vars(one)["unread"] for one in caplog.records if "unread" in vars(one)] == [6]
    assert [(await client.next_notify()).data for _ in range(6)] == [b"%d" % number for number in range(6)]


async def test_a_client_that_ends_meanwhile_is_left_alone(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect(queue_size=1)
    for _ in range(3):
        gateway.notify(b"x")
    await client.call("echo")
    await client.close()
    assert client.stats.dropped_notifies == 0
