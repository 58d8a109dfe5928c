"""What quinn bounds by itself, where the other maker closes the connection: nobody else notices."""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING

import pytest
from aioquic.buffer import encode_uint_var as var
from aioquic.quic.packet import QuicErrorCode

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import TransportLimits
from tests.transport.helpers import (
    MAKER,
    RawClient,
    Recorders,
    dial,
    listening,
    offender_and_witness,
    stream_frame,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Identity = tuple[Path, Path]

MIB = 1 << 20


@pytest.fixture(autouse=True)
def quinn() -> Iterator[None]:
    token = MAKER.set("quinn")
    yield
    MAKER.reset(token)


async def test_a_stream_full_of_holes_costs_no_more_than_its_window(identity: Identity) -> None:
    async with offender_and_witness(identity) as (listener, offender, _):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for at in range(100, 60_000, 120):
            offender.frames(b"".join(stream_frame(0, at + 2 * step, b"x") for step in range(60)))
        async with RawClient(listener.address) as witness:
            await witness.connected()
            witness.send(b"still here")
            assert await witness.received(10) == b"still here"
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        assert grown < 32 * MIB


async def test_tls_data_is_bounded_by_its_length(identity: Identity) -> None:
    limits = TransportLimits(max_crypto=4096)
    async with offender_and_witness(identity, limits) as (_, offender, _recorder):
        offender.frames(b"\x06" + var(5000) + var(1) + b"x")
        assert (await offender.closed())[0] == QuicErrorCode.CRYPTO_BUFFER_EXCEEDED


async def test_a_stream_beyond_what_may_be_opened_is_a_fault_of_quic(identity: Identity) -> None:
    async with offender_and_witness(identity) as (_, offender, recorder):
        offender.frames(stream_frame(400, 0, b""))
        assert (await offender.closed())[0] == QuicErrorCode.STREAM_LIMIT_ERROR
        assert (await recorder.end())[::2] == (CloseCode.PROTOCOL_ERROR, False)


async def test_one_flush_serves_so_many_connections_and_the_others_at_once_after_it(identity: Identity) -> None:
    """A message to everybody must not hold up the loop for as long as it takes to send it to everybody."""
    count, served, clients = 300, Recorders(), Recorders()
    async with listening(identity, served) as listener:
        connections = [await dial(*listener.address, factory=clients, insecure=True) for _ in range(count)]
        for connection in connections:
            connection.send(b"x")
        await until(lambda: len(served) == count and all(recorder.data for recorder in served))
        core, now = listener._driver.core, listener._driver.now
        await until(lambda: core.flush(now())[0] > now())
        for recorder in served:
            recorder.connection.send(b"news")
        at = now()
        assert core.flush(at)[0] == pytest.approx(at, abs=1e-6), "it served everybody"
        assert core.flush(at)[0] != pytest.approx(at, abs=1e-6), "somebody waits still"
        await until(lambda: all(client.data == b"news" for client in clients))
        for connection in connections:
            connection.abort(0, "")


async def test_ids_are_not_replaced_without_end_for_who_acknowledges_nothing(identity: Identity) -> None:
    """What tells of a new id is kept until it has left, and so it is of one that was retired unseen."""
    async with offender_and_witness(identity, TransportLimits(cpu_burst=1e3, cpu_common_burst=1e3, cpu_login=1e3)) as (
        _,
        offender,
        recorder,
    ):
        offender.ignore()
        for number in range(1, 1000):
            offender.frames(b"\x19" + var(number))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if recorder.ends:
                break
        code, reason, by_peer = await recorder.end()
        assert (code, by_peer) == (CloseCode.PROTOCOL_ERROR, False)
        assert "too many connection ids were retired" in reason
        assert number > 200
        offender.close_seen = (code, None, "told to a client that does not listen")
