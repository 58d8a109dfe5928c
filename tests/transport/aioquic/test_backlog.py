"""A server that is behind with reading: what has arrived counts before a clock that says that it has not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.transport.aioquic.sending import LONGEST_HOLD

from ..helpers import HOST, Recorders, dial, listening, until
from .inside import core_of, inside
from .pair import CLIENT, LIMITS, SERVER, connected_pair

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from quicgw_fast.transport.endpoint import Endpoint


class Unread:
    """Leaves what arrives in the socket, as a loop does that is busy elsewhere."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        endpoint.loop.remove_reader(endpoint._fd)

    def read(self) -> None:
        self._endpoint.loop.add_reader(self._endpoint._fd, self._endpoint._on_readable)


async def test_no_probe_while_the_acknowledgement_waits_to_be_read(
    identity: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of clients in turn make a queue longer than the probe timeout: probes for all would double it."""
    ours, theirs = Recorders(), Recorders()
    async with listening(identity, ours) as listener:
        await dial(HOST, listener.address[1], factory=theirs, insecure=True)
        client, server = await theirs.first(), await ours.first()
        client.connection.send(b"request")
        await until(lambda: server.data and core_of(server.connection).unacked() == 0)
        endpoint, core = inside(listener)._endpoint, core_of(server.connection)
        unread = Unread(endpoint)
        server.connection.send(b"answer")
        await until(lambda: client.data)
        client.connection.send(b"next request, and the ACK")
        await until(endpoint.unread)
        sent: list[bytes] = []
        monkeypatch.setattr(endpoint, "send", lambda data, _: sent.append(data))
        held = core.gw_held
        await until(lambda: core.gw_held > held or core._loss._pto_count)
        await asyncio.sleep(4 * core.probe_timeout())
        assert core._loss._pto_count == 0
        assert sent == []
        monkeypatch.undo()
        unread.read()
        await until(lambda: core.unacked() == 0)
        assert server.data == b"request" + b"next request, and the ACK"
        client.connection.close(0)
        await client.connection.wait_closed()


def test_a_probe_is_put_off_only_so_long() -> None:
    client, server, now = connected_pair()
    client.send_stream_data(0, b"x")
    for data, _ in client.datagrams_to_send(now):
        server.receive_datagram(data, CLIENT, now)
    now += LIMITS.ack_delay + 0.01
    for data, _ in server.datagrams_to_send(now):
        client.receive_datagram(data, SERVER, now)
    server.send_stream_data(0, b"lost for ever")
    server.datagrams_to_send(now)
    first = at = server.get_timer()
    holds = 0
    while at is not None and server.probe_due(at + 1e-6):
        server.hold_probe(at + 1e-6)
        at = server.get_timer()
        holds += 1
    assert at is not None
    assert first is not None
    assert LONGEST_HOLD <= at - first < 2 * LONGEST_HOLD
    assert holds < 12, "each wait is longer than the one before: holding costs little however long the queue"
    server.handle_timer(at + 1e-6)
    assert server._loss._pto_count == 1
    assert server.datagrams_to_send(at + 1e-6)
