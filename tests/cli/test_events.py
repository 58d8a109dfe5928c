from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cli.events import WatchedKind
from quicgw_fast.cli.watching import told_of
from quicgw_fast.client import connect
from quicgw_fast.codes import LifecycleKind
from quicgw_fast.proto import service_pb2 as pb
from tests.cli.process import assert_one_sentence, quicgw
from tests.support.gateway_process import GatewayProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.cli.process import Gateway


@contextlib.asynccontextmanager
async def following(gateway: str) -> AsyncIterator[asyncio.StreamReader]:
    """The objects that are printed, one a line."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "quicgw_fast", "events", "--follow", "--json", "--gateway", gateway),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        yield process.stdout
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 20.0)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def test_the_kinds_are_those_of_the_protocol() -> None:
    assert {kind.name for kind in WatchedKind} == {kind.name for kind in LifecycleKind} - {"GAP"}


async def test_it_prints_what_happened(dev: Gateway) -> None:
    async with connect(dev.quic, openid="watched-1", insecure=True) as client:
        session = client.session_id
    done = quicgw("events", "--gateway", dev.grpc, "--openid", "watched-1")
    lines = [line.split("  ") for line in done.stdout.splitlines()]
    whats = [[cell for cell in line if cell][1].strip() for line in lines]
    assert whats == ["attached", "logged-in", "detached (NORMAL)", "ended (STOPPED)"]
    assert all(session in line for line in lines)
    some = quicgw("events", "--gateway", dev.grpc, "--openid", "watched-1", "--kind", "ended", "--json")
    (told,) = map(json.loads, some.stdout.splitlines())
    assert (told["version"], told["kind"], told["reason"], told["openid"]) == (1, "ENDED", "STOPPED", "watched-1")


async def test_following_goes_on_with_another_gateway() -> None:
    async with GatewayProcess.dev() as gateway:
        address = gateway.ready.grpc
        async with following(address) as printed:
            async with connect(":".join(map(str, gateway.ready.quic)), openid="one", insecure=True):
                first = json.loads(await asyncio.wait_for(printed.readline(), 20.0))
            await gateway.kill()
            async with GatewayProcess.dev("--grpc", address) as other:
                two = connect(":".join(map(str, other.ready.quic)), openid="two", insecure=True)
                async with two, asyncio.timeout(20.0):
                    while (told := json.loads(await printed.readline()))["openid"] == "one":
                        pass
                    gap = told
                    while told["openid"] != "two":
                        told = json.loads(await printed.readline())
    assert first["openid"] == "one"
    assert (gap["kind"], gap["reason"]) == ("GAP", "OTHER_GATEWAY")
    assert told["gateway"] == gap["gateway"] != first["gateway"]


@pytest.mark.parametrize(
    ("gap", "line"),
    [
        ({"missed_from": 3, "id": 3}, "-- 1 event of this gateway missed --"),
        ({"missed_from": 3, "id": 9}, "-- 7 events of this gateway missed --"),
        (
            {"missed_from": 1, "id": 0, "reason": "OTHER_GATEWAY"},
            "-- another gateway than before: what the other one did not tell is lost; "
            "0 events of this gateway missed --",
        ),
    ],
)
def test_what_a_gap_says(gap: dict[str, object], line: str) -> None:
    assert told_of(pb.LifecycleEvent(kind=pb.EVENT_KIND_GAP, **gap)) == line  # type: ignore[arg-type]


def test_nobody_there() -> None:
    assert_one_sentence(quicgw("events", "--gateway", "127.0.0.1:1"), "127.0.0.1:1")


def test_a_kind_that_is_none(dev: Gateway) -> None:
    done = quicgw("events", "--gateway", dev.grpc, "--kind", "born")
    assert done.returncode == 2
    assert "choose from attached, resumed" in done.stderr
