"""Random packets of clients that have shaken hands, and of those that begin to: nothing gets past its own connection.

``make fuzz`` goes on for minutes, with another seed each time; a seed that failed is repeated by ``--fuzz-seed``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from random import Random
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.transport import TransportLimits
from tests.support.gatekeeper import gatekeeper
from tests.support.random_frames import random_frames
from tests.support.raw_initial import InitialMaker, crypto, first_packet, hello_of

from .helpers import MuteSocket, RawClient, Recorders, listening, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quicgw_fast.transport import Listener

pytestmark = pytest.mark.usefixtures("maker")

Identity = tuple[Path, Path]
SEED, SECONDS = 20260101, 1.5
LIMITS = TransportLimits(cpu_burst=1e3, cpu_common_burst=1e3, cpu_login=1e3, handshake_timeout=0.5)
"""With plenty of time for each peer, so that what it sends is read."""


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    seed: int = pytestconfig.getoption("--fuzz-seed", default=SEED)
    print(f"--fuzz-seed {seed}")
    return seed


@pytest.fixture
def seconds(pytestconfig: pytest.Config) -> float:
    seconds: float = pytestconfig.getoption("--fuzz-seconds", default=SECONDS)
    return seconds


@contextlib.asynccontextmanager
async def unshaken(identity: Identity, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Listener]:
    """A listener whose clients go on when the block is over, and which had nothing to report."""
    caplog.set_level(logging.WARNING)
    gate = gatekeeper(retry_above=100_000, noise=(1e6, 1_000_000))
    server = Recorders(echo=True)
    async with listening(identity, server, LIMITS, gatekeeper=gate) as listener, RawClient(listener.address) as witness:
        await witness.connected()
        yield listener
        witness.send(b"still here")
        assert await witness.received(10) == b"still here"
        await until(lambda: listener.half_open == 0)
        await until(lambda: listener.connections == 1)
    faults = [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
    assert not faults, faults[0].getMessage()


async def test_packets_of_random_frames(
    identity: Identity, caplog: pytest.LogCaptureFixture, seed: int, seconds: float
) -> None:
    rng, end = Random(seed), monotonic() + seconds
    async with unshaken(identity, caplog) as listener:
        while monotonic() < end:
            async with RawClient(listener.address) as client:
                await client.connected()
                for number in range(300):
                    client.frames(random_frames(rng))
                    if number % 8 == 7:
                        await asyncio.sleep(0)
                    if client.close_seen or monotonic() > end:
                        break
                await asyncio.sleep(0)


async def test_first_packets_of_random_frames(
    identity: Identity, caplog: pytest.LogCaptureFixture, seed: int, seconds: float
) -> None:
    rng, end = Random(seed), monotonic() + seconds
    source, hello = hello_of()
    async with unshaken(identity, caplog) as listener:
        with MuteSocket(listener.address) as sender:
            while monotonic() < end:
                maker = InitialMaker(rng.randbytes(8), source=source)
                begin = crypto(0, hello[: rng.choice((0, 50, len(hello)))]) if rng.random() < 0.7 else b""
                for _ in range(rng.randrange(1, 6)):
                    sender.send(maker.packet(begin + random_frames(rng, maker.room() - len(begin))))
                    begin = b""
                await asyncio.sleep(0)
                sender.answers()


async def test_damaged_datagrams(
    identity: Identity, caplog: pytest.LogCaptureFixture, seed: int, seconds: float
) -> None:
    rng, end = Random(seed), monotonic() + seconds
    async with unshaken(identity, caplog) as listener:
        good = [
            first_packet(),
            InitialMaker().packet(b"\x01"),
            b"\x40" + bytes(60),
            bytes((0xE0,)) + first_packet()[1:],
        ]
        with MuteSocket(listener.address) as sender:
            while monotonic() < end:
                data = bytearray(rng.choice(good))
                for _ in range(rng.randrange(8)):
                    data[rng.choice((rng.randrange(min(60, len(data))), rng.randrange(len(data))))] = rng.randrange(256)
                sender.send(bytes(data[: rng.choice((len(data), len(data), rng.randrange(len(data)))) or 1]))
                if rng.random() < 0.1:
                    await asyncio.sleep(0)
                    sender.answers()
