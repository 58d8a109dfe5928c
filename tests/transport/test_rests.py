"""The rests between readings: what comes meanwhile waits, what is finished goes out, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.transport.reading import Rests
from tests.support.clock import Clock
from tests.transport.helpers import MAKER, Recorder, Recorders, dial, listening, until

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.transport import Connection

    Identity = tuple[Path, Path]

LAST = b"last."
A_WHILE = 20
"""Looks at a rest, a millisecond apart at least, within which what is not kept back would have come."""


class Busy:
    """A pace that a test switches: while it is busy, the reading that brings ``LAST`` is the last one."""

    def __init__(self, server: Recorders, longest: float = 3600.0) -> None:
        """``longest``: seconds after which a rest ends by itself."""
        self.server = server
        self.longest = longest
        self.busy = False
        self.looks = 0

    def rest(self, took: float, /) -> float:
        assert took >= 0
        return self.longest if self.busy and any(one.data.endswith(LAST) for one in self.server) else 0.0

    def over(self) -> bool:
        self.looks += 1
        return not self.busy

    async def a_while(self) -> None:
        looks = self.looks
        await until(lambda: self.looks > looks + A_WHILE)


async def resting(pace: Busy, client: Connection) -> None:
    """Have a rest begin, with what the client sends for it."""
    pace.busy = True
    client.send(LAST)
    await until(lambda: pace.looks)


async def test_what_comes_in_a_rest_waits_and_is_not_lost(identity: Identity) -> None:
    server, client = Recorders(), Recorders()
    pace = Busy(server)
    async with listening(identity, server, pace=pace) as listener:
        connection = await dial(*listener.address, factory=client, insecure=True)
        await resting(pace, connection)
        connection.send(b"behind")
        await pace.a_while()
        assert server[0].data == b"last."
        pace.busy = False
        await until(lambda: server[0].data == b"last.behind")
        connection.send(b" and on")
        await until(lambda: server[0].data == b"last.behind and on")
        assert not client[0].ends


async def test_what_is_finished_goes_out_in_a_rest(identity: Identity) -> None:
    server, client = Recorders(), Recorders()
    pace = Busy(server)
    async with listening(identity, server, pace=pace) as listener:
        connection = await dial(*listener.address, factory=client, insecure=True)
        await resting(pace, connection)
        server[0].connection.send(b"answer")
        await until(lambda: client[0].data == b"answer")
        pace.busy = False


async def test_a_listener_can_be_closed_in_a_rest(identity: Identity) -> None:
    server, client = Recorders(), Recorders()
    pace = Busy(server)
    async with listening(identity, server, pace=pace) as listener:
        connection = await dial(*listener.address, factory=client, insecure=True)
        await resting(pace, connection)
    looks = pace.looks
    code, _, by_peer = await client[0].end()
    assert (code, by_peer) == (0x203, True)
    assert pace.looks == looks, "a rest outlives its listener"


async def test_a_close_that_comes_in_a_rest_brings_what_was_sent_before(identity: Identity) -> None:
    server, client = Recorders(), Recorders()
    pace = Busy(server)
    async with listening(identity, server, pace=pace) as listener:
        connection = await dial(*listener.address, factory=client, insecure=True)
        await resting(pace, connection)
        connection.send(b"bye")
        connection.close(0)
        await pace.a_while()
        pace.busy = False
        assert (await server[0].end())[::2] == (0, True)
        assert server[0].data == b"last.bye"


async def test_handshakes_go_on_in_a_rest(identity: Identity) -> None:
    if MAKER.get() != "quinn":
        pytest.skip("aioquic's datagrams wait in the socket")
    server, client = Recorders(), Recorders()
    pace = Busy(server)
    async with listening(identity, server, pace=pace) as listener:
        connection = await dial(*listener.address, factory=client, insecure=True)
        await resting(pace, connection)
        await dial(*listener.address, factory=client, insecure=True)
        await until(lambda: len(server) == 2)
        pace.busy = False


async def test_who_sent_much_in_a_rest_takes_turns_with_the_others(identity: Identity) -> None:
    if MAKER.get() != "quinn":
        pytest.skip("aioquic's datagrams wait in the socket")
    server = Recorders()
    pace = Busy(server)
    async with listening(identity, server, pace=pace) as listener:
        flood, other = [await dial(*listener.address, factory=Recorders(), insecure=True) for _ in range(2)]
        flood.send(b"f")
        await until(lambda: server[0].data)
        other.send(b"o")
        await until(lambda: server[1].data)
        await resting(pace, flood)
        sent = 1 << 20
        flood.send(bytes(sent))
        await pace.a_while()
        other.send(b"short")
        await pace.a_while()
        pace.busy = False
        await until(lambda: server[1].data == b"oshort")
        assert len(server[0].data) < sent // 2
        await until(lambda: len(server[0].data) == sent + len(b"flast."), timeout=60.0)


async def test_a_rest_ends_at_its_time_or_as_soon_as_it_may() -> None:
    server = Recorders()
    server.append(Recorder(None, data=bytearray(LAST)))  # type: ignore[arg-type]
    clock, pace, ends = Clock(), Busy(server, 2.0), [0]

    def resumed() -> None:
        ends[0] += 1

    rests = Rests(clock.face, pace, resumed)
    assert not rests.begin(1.0)
    pace.busy = True
    assert rests.begin(1.0)
    clock.advance(1.9)
    assert rests.active
    assert not ends[0]
    clock.advance(0.2)
    assert not rests.active
    assert ends[0] == 1
    assert rests.begin(1.0)
    pace.busy = False
    clock.advance(0.002)
    assert not rests.active
    assert ends[0] == 2
