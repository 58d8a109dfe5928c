"""What waits to be sent is never forgotten: whoever cannot send now has something that wakes it.

The link here is a stand-in: that acknowledgements are read between a send and the connection's next service is a
matter of which of two sockets the event loop looks at first, and cannot be forced with real ones.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, cast

import pytest

from quicgw_fast.client.calls import Calls, ClientCall, draft
from quicgw_fast.client.messages import ClientStats
from quicgw_fast.client.outgoing import Outgoing
from quicgw_fast.client.pacer import Pacer
from quicgw_fast.client.session import ClientSession
from quicgw_fast.client.wire import Limits

if TYPE_CHECKING:
    from quicgw_fast.client.link import ClientLink

HIGH = 1000


class Stub:
    """A link with a high-water mark; it promises a wake-up only to who asked, as the transport does."""

    def __init__(self) -> None:
        self.pending = 0
        self.sent = 0
        self.owes = False

    @property
    def room(self) -> int:
        return HIGH + 1 - self.pending

    def ready(self) -> bool:
        self.owes = self.owes or self.pending > HIGH
        return not self.owes

    def send(self, frames: bytes) -> None:
        self.pending += len(frames)
        self.sent += len(frames)

    def acknowledge(self, count: int) -> bool:
        """Some bytes were acknowledged; True when that is to be followed by writable()."""
        self.pending -= min(count, self.pending)
        woken = self.owes and self.pending == 0
        self.owes = self.owes and not woken
        return woken


class Way:
    """Everything between submit() and the wire."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.session: ClientSession[ClientCall] = ClientSession()
        self.pacer = Pacer()
        self.calls = Calls(self.session, ClientStats(), self.pacer, loop)
        self.outgoing = Outgoing(self.session, self.calls, self.pacer, loop)
        self.stub = Stub()
        self.link = cast("ClientLink", cast("Any", self.stub))

    def submit(self, size: int) -> None:
        self.outgoing.submit(self.calls.make(draft("echo", None, bytes(size), None, 60)))

    def reply(self) -> None:
        """The oldest request is answered."""
        if self.session.in_flight:
            self.session.settle(next(iter(self.session.in_flight)))
            self.outgoing.flush()  # as paused() does


async def test_acknowledgements_before_the_connection_is_serviced() -> None:
    """The mark was passed and all of it acknowledged before anybody looked: the next one to wait still is woken."""
    way = Way()
    way.outgoing.open(way.link)
    way.submit(2000)
    assert not way.stub.acknowledge(10_000), "nobody had to be woken so far"
    way.submit(2000)
    way.submit(10)
    assert way.calls.waiting == 1
    assert way.stub.acknowledge(10_000)
    way.outgoing.flush()
    assert way.calls.waiting == 0
    way.calls.close(AssertionError)  # type: ignore[arg-type]  # only to stop the timer


def live_a_little(way: Way, rng: random.Random, is_open: bool) -> bool:
    """Let one thing happen; returns whether there is a connection then."""
    step = rng.random()
    if step < 0.5:
        way.submit(rng.randrange(600))
    elif step < 0.6 and not is_open:
        way.stub.pending, way.stub.owes = 0, False
        way.outgoing.open(way.link)
        return True
    elif step < 0.65 and is_open:
        way.outgoing.close()
        return False
    elif step < 0.8:
        way.reply()
    elif way.stub.acknowledge(rng.randrange(1500)) and is_open:
        way.outgoing.flush()  # as writable() does
    return is_open


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_everything_is_sent_in_the_end(seed: int) -> None:
    rng = random.Random(seed)
    way = Way()
    way.pacer.learn(Limits(rng.choice([None, 1, 3]), None))
    is_open = False
    for _ in range(300):
        is_open = live_a_little(way, rng, is_open)
    if not is_open:
        way.outgoing.open(way.link)
    while way.calls.waiting:
        before = way.calls.waiting
        way.reply()
        if way.stub.acknowledge(10_000):
            way.outgoing.flush()
        assert way.calls.waiting < before or way.stub.pending or way.session.in_flight, "nothing would ever wake it"
    way.calls.close(AssertionError)  # type: ignore[arg-type]
