"""Nothing stays behind: no task, no timer, no socket, no route, no connection object."""

from __future__ import annotations

import asyncio
import gc
import os
import weakref
from pathlib import Path

from quicgw_fast.transport.aioquic.connection import AioquicConnection

from ..helpers import RawClient, Recorders, dial, listening, until
from .inside import core_of, inside

Identity = tuple[Path, Path]


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts descriptors, wants no paths


def waiting_timers() -> int:
    loop = asyncio.get_running_loop()
    return sum(1 for handle in loop._scheduled if not handle.cancelled())  # type: ignore[attr-defined]


async def test_nothing_is_left(identity: Identity) -> None:
    tasks, timers, files = len(asyncio.all_tasks()), waiting_timers(), open_files()
    server = Recorders(echo=True)
    async with listening(identity, server) as listener:
        ids = inside(listener)._endpoint.receivers
        connections = []
        for _ in range(8):
            client = Recorders()
            connections.append(await dial(*listener.address, factory=client, insecure=True))
            connections[-1].send(b"x")
            await until(lambda client=client: client[0].data)
        assert len(asyncio.all_tasks()) == tasks
        for number, connection in enumerate(connections):
            if number % 2:
                connection.close(0)
            else:
                server[number].connection.close(0x203, "DRAINING")
        for connection in connections:
            await connection.wait_closed()
        await until(lambda: not ids)
        assert not inside(listener)._alive
        assert not inside(listener)._endpoint.periods
    assert len(asyncio.all_tasks()) == tasks
    assert waiting_timers() == timers
    assert open_files() == files


async def test_abandoned_clients_and_half_open_ones(identity: Identity) -> None:
    timers, files = waiting_timers(), open_files()
    async with listening(identity, Recorders()) as listener:
        async with RawClient(listener.address) as client:
            await client.connected()
        half_open = RawClient(listener.address)
        async with half_open:
            half_open.reading = False
            await until(lambda: listener.half_open == 1)
    assert waiting_timers() == timers
    assert open_files() == files


async def test_closed_connections_are_freed(identity: Identity) -> None:
    server = Recorders(echo=True)
    async with listening(identity, server) as listener:
        connection = await dial(*listener.address, factory=Recorders(), insecure=True)
        recorder = await server.first()
        ghosts = [weakref.ref(connection), weakref.ref(recorder.connection)]
        connection.close(0)
        await connection.wait_closed()
        await recorder.end()
        await until(lambda: not inside(listener)._endpoint.periods)
        server.clear()
        del connection, recorder
        gc.collect()
        assert [ghost() for ghost in ghosts] == [None, None]
    assert not [thing for thing in gc.get_objects() if type(thing) is AioquicConnection and not thing.closed]


async def test_what_takes_memory_goes_without_a_collection(identity: Identity) -> None:
    """Keys are OpenSSL's, of whose memory the collector of garbage knows nothing."""
    server = Recorders(echo=True)
    async with listening(identity, server) as listener:
        connection = await dial(*listener.address, factory=Recorders(), insecure=True)
        core = core_of((await server.first()).connection)
        ghosts = [weakref.ref(thing) for thing in (core.gw_keys, core.gw_space, core.tls)]
        gc.disable()
        try:
            connection.close(0)
            await until(lambda: inside(listener)._endpoint.periods)
            await until(lambda: not any(ghost() for ghost in ghosts))
        finally:
            gc.enable()
        assert core.validated_address() is not None, "what may be asked of a closed connection"
        assert core.unacked() == core.progress() == 0
        await connection.wait_closed()
