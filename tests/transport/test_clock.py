"""Deadlines of connections by a clock that the test moves: none comes early, and none is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import TransportLimits
from tests.support.clock import Clock
from tests.support.raw_initial import first_packet

from .helpers import MuteSocket, RawClient, Recorders, listening, until

pytestmark = pytest.mark.usefixtures("maker")

Identity = tuple[Path, Path]


async def test_a_handshake_that_stands_still_is_forgotten_at_its_deadline(identity: Identity) -> None:
    clock = Clock()
    async with listening(identity, Recorders(), clock=clock.face) as listener:
        with MuteSocket(listener.address) as sender:
            sender.send(first_packet())
            await until(lambda: listener.half_open == 1)
            clock.advance(TransportLimits().handshake_timeout - 0.1)
            assert listener.half_open == 1
            clock.advance(0.2)
            assert (listener.half_open, listener.counters.failed) == (0, 1)


async def test_a_client_that_is_not_heard_is_closed_with_idle(identity: Identity) -> None:
    clock, server = Clock(), Recorders()
    async with listening(identity, server, clock=clock.face) as listener, RawClient(listener.address) as client:
        await client.connected()
        recorder = await server.first()
        client.reading = False
        clock.advance(TransportLimits().idle_timeout - 1.0)
        assert not recorder.connection.closed
        clock.advance(2.0)
        code, _, by_peer = await recorder.end()
        assert (code, by_peer) == (CloseCode.IDLE, False)


async def test_a_close_waits_for_what_is_unread_until_its_deadline(identity: Identity) -> None:
    clock, server = Clock(), Recorders()
    async with listening(identity, server, clock=clock.face) as listener, RawClient(listener.address) as client:
        await client.connected()
        client.send(b"hello")
        recorder = await server.first()
        await until(lambda: recorder.data)
        client.reading = False  # takes what comes, and acknowledges none of it
        recorder.connection.send(b"unheard")
        recorder.connection.close(CloseCode.KICKED, "KICKED")
        await recorder.end()
        clock.advance(TransportLimits().linger - 0.1)
        assert recorder.connection.pending
        clock.advance(0.2)
        assert (await client.closed())[0] == CloseCode.KICKED
        assert not recorder.connection.pending
        clock.advance(60.0)
        await recorder.connection.wait_closed()
