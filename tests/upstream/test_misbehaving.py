"""Services that break every rule they can: their calls fail with a clear error in time, and nobody else notices."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import ErrorCode
from quicgw_fast.config import RoutingConfig, UpstreamConfig
from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
from quicgw_fast.upstream import ServiceMode, UpstreamCallError, makers
from tests.support import strangers
from tests.support.bad_service import NAMES, bad_service
from tests.upstream.conftest import side_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.upstream import Upstream
    from tests.support.raw_upstream import RawUpstream

    Start = Callable[[], Awaitable[RawUpstream]]
    Outcome = UpstreamResponse | Exception

MODE = ServiceMode(RoutingConfig(replace_defaults=True, exact={"good": "zone"}, default="hello"))
FOR = 0.35
"""Seconds."""
WITHIN = 0.25
LATE = 1.0
"""Seconds that a busy machine may add to anything."""
MIB = 1 << 20
ANSWERED = {"answers 10 000 headers", "answers twice", "sends DATA without end after the trailers"}
"""What an answer comes of: it was whole before anything was wrong."""
ONLY_FLOODS = {
    ("grpcio", "says GOAWAY without end"),
    ("grpcio", "says GOAWAY to each connection"),
    ("grpcio", "sends frames of no kind without end"),
}
"""gRPC's library reads these without a bound in threads of its own, which nobody can tell not to (docs/attacks.md)."""
AT_MOST = 64 * MIB
CONNECTIONS = 20
"""In that time, however often they are over at once."""


def memory(what: str) -> int:
    """Bytes of this process."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) << 10


async def called(side: Upstream, action: str, timeout: float) -> tuple[Outcome, float]:
    """What a call came to, as whoever began it is told, and the seconds that it took."""
    ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    began = time.monotonic()
    try:
        side.caller.begin(UpstreamRequest(action=action), timeout, ended.set_result)
    except UpstreamCallError as error:
        return error, 0.0
    return await ended, time.monotonic() - began


async def calls_of(side: Upstream, action: str, timeout: float, pause: float) -> list[tuple[Outcome, float]]:
    """Calls one after the other."""
    until = time.monotonic() + FOR
    outcomes = []
    while time.monotonic() < until:
        outcomes.append(await called(side, action, timeout))
        await asyncio.sleep(pause)
    return outcomes


def is_clear(outcome: Outcome) -> bool:
    """Whether it is one of the errors that a client is told for a service that failed or was too slow."""
    expected = (ErrorCode.FAILED, ErrorCode.DEADLINE_PASSED)
    return isinstance(outcome, UpstreamCallError) and outcome.code in expected and bool(outcome.detail)


def is_answer(outcome: Outcome) -> bool:
    return isinstance(outcome, UpstreamResponse) and outcome.code == 200


def is_fault(record: logging.LogRecord) -> bool:
    # gRPC has one poller for all loops of a process, and that one logs that the loop of an earlier test is closed.
    return record.levelno >= logging.ERROR and "PollerCompletionQueue" not in record.getMessage()


def peak_from_now() -> None:
    """Let the most memory that this process has had begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


async def assert_only_its_own_calls_suffer(maker: str, name: str, address: str, good: str) -> None:
    config = UpstreamConfig(hello=(address,), zone=(good,))
    side = side_of(config, MODE, open_channel=makers.load(maker).open_channel)
    try:
        assert is_answer((await called(side, "good", 10.0))[0])
        gc.collect()
        peak_from_now()
        before = memory("VmRSS")
        *bad, fine = await asyncio.gather(
            calls_of(side, "bad", WITHIN, 0.01),
            calls_of(side, "bad", WITHIN, 0.01),
            calls_of(side, "good", 10.0, 0.005),
        )
        grown = memory("VmHWM") - before
    finally:
        await side.close()
    outcomes = [outcome for some in bad for outcome, _ in some]
    assert all(is_clear(outcome) or (name in ANSWERED and is_answer(outcome)) for outcome in outcomes)
    assert max(took for some in bad for _, took in some) < WITHIN + LATE
    assert all(is_answer(outcome) for outcome, _ in fine)
    if (maker, name) not in ONLY_FLOODS:
        assert max(took for _, took in fine) < LATE
        assert grown < AT_MOST


@pytest.mark.parametrize("maker", makers.MAKERS)
@pytest.mark.parametrize("name", NAMES)
async def test_a_service_that_misbehaves_harms_its_own_calls_alone(
    maker: str, name: str, upstream: Start, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    good = await upstream()
    async with bad_service(name) as service:
        await assert_only_its_own_calls_suffer(maker, name, service.address, good.address)
    assert len(service.connections) <= CONNECTIONS
    assert not [record for record in caplog.records if is_fault(record)]
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("maker", makers.MAKERS)
async def test_who_takes_connections_and_says_nothing_harms_its_own_calls_alone(maker: str, upstream: Start) -> None:
    good = await upstream()
    with strangers.silent() as address:
        await assert_only_its_own_calls_suffer(maker, "says nothing", address, good.address)
