"""Frames in numbers that nobody of good will sends: they cost their own connection, and neither memory nor others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from quicgw_fast.transport import TransportLimits
from tests.support.hostile_frames import FLOODS

from .helpers import RawClient, offender_and_witness, until
from .test_defences import MIB, memory

pytestmark = pytest.mark.usefixtures("maker")

Identity = tuple[Path, Path]
PACKETS = 1500
PLENTY = TransportLimits(cpu_burst=1e3, cpu_common_burst=1e3, cpu_login=1e3)
"""So that it is not the peer's budget that ends a flood before it can do harm."""


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_leaves_nothing_behind_and_disturbs_nobody(
    identity: Identity, flood: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with offender_and_witness(identity, PLENTY) as (listener, offender, recorder):
        before = memory()
        await pour(offender, flood, lambda: bool(recorder.ends))
        assert memory() - before < 16 * MIB
        assert listener.counters.unread == 0
        if recorder.ends:
            offender.close_seen = offender.close_seen or (0, None, "told to a client that does not listen")
        else:
            await until(lambda: listener.connections == 2)
    assert not [record for record in caplog.records if record.exc_info]


async def pour(offender: RawClient, flood: str, ended: object) -> None:
    """Send the packets of a flood, until its connection is ended."""
    for number in range(PACKETS):
        if offender.close_seen or ended():  # type: ignore[operator]
            return
        offender.frames(FLOODS[flood](offender, number))
        if number % 20 == 19:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
