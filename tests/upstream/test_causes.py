"""UNAVAILABLE has many causes; each has its own words in the log, in /stats and for /readyz."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from quicgw_fast.config import UpstreamConfig
from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
from quicgw_fast.upstream import NoInstance, Upstream, UpstreamCallError, causes
from tests.support import strangers
from tests.support.clock import Clock
from tests.support.raw_upstream import RawUpstream, Rejected
from tests.upstream.conftest import side_of, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from quicgw_fast.upstream.seam import OpenChannel

    Start = Callable[[], Awaitable[RawUpstream]]
    SideFor = Callable[..., Upstream]

CALL = UpstreamRequest(action="x")


def lines(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    """The fields of every line of one event."""
    return [vars(record) for record in caplog.records if record.getMessage() == event]


@pytest.mark.parametrize(
    ("stranger", "cause"),
    [
        (strangers.nothing, causes.NOTHING_LISTENS),
        (strangers.foreigner, causes.NO_GRPC),
        (lambda: strangers.foreigner(b"SSH-2.0-OpenSSH_9.6\r\n"), causes.NO_GRPC),
        (strangers.silent, causes.NO_GRPC),
        (strangers.black_hole, causes.NO_ANSWER),
    ],
    ids=["nothing", "http", "ssh", "silent", "black hole"],
)
async def test_what_is_no_upstream_is_told_apart(
    stranger: Callable[[], AbstractContextManager[str]],
    cause: str,
    side_for: SideFor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with stranger() as address:
        side = side_for(address)
        for _ in range(3):
            with pytest.raises(UpstreamCallError):
                await side.caller.call(CALL, 5.0)
        await until(lambda: lines(caplog, "upstream down"))
        failed, down = lines(caplog, "upstream call failed"), lines(caplog, "upstream down")
        assert [(line["levelno"], line["address"], line["reason"]) for line in down] == [
            (logging.WARNING, address, cause)
        ]
        assert [(line["levelno"], line["address"], line["status"], line["cause"]) for line in failed] == [
            (logging.WARNING, address, "UNAVAILABLE", cause)
        ]
        assert failed[0]["service"] == "hello"
        assert failed[0]["detail"]
        reason = side.readiness.reason()
        assert reason == f"no instance of hello is in service ({address}: {cause})"
        await side.close()


async def test_an_unknown_host_is_told(side_for: SideFor, caplog: pytest.LogCaptureFixture) -> None:
    side = side_for("no-such-host.invalid:9001")
    await until(lambda: lines(caplog, "upstream down"))
    assert lines(caplog, "upstream down")[0]["reason"] == causes.UNKNOWN_HOST
    await side.close()


async def test_a_service_that_raises_is_one_warning_a_minute_with_the_count(
    upstream: Start, open_channel: OpenChannel, caplog: pytest.LogCaptureFixture
) -> None:
    server = await upstream()

    async def reject(request: UpstreamRequest) -> UpstreamResponse:
        raise Rejected(getattr(grpc.StatusCode, request.params["status"]), "the disk\nis full")

    async def raises(_: UpstreamRequest) -> UpstreamResponse:
        raise ValueError("a bug")

    server.on("bad", reject)
    server.on("bug", raises)
    clock = Clock()
    side = side_of(UpstreamConfig(hello=(server.address,)), clock=clock.face, open_channel=open_channel)

    async def fail(action: str, times: int, **params: str) -> None:
        for _ in range(times):
            with pytest.raises(UpstreamCallError):
                await side.caller.call(UpstreamRequest(action=action, params=params), 5.0)

    await fail("bad", 20, status="INTERNAL")
    await fail("bad", 20, status="DATA_LOSS")
    await fail("bug", 5)
    said = lines(caplog, "upstream call failed")
    assert [line["status"] for line in said] == ["INTERNAL", "DATA_LOSS", "UNKNOWN"]
    assert "the disk is full" in said[0]["detail"]
    assert said[0]["cause"] == "it answered with INTERNAL"
    clock.advance(60.0)
    side.tend(clock.now)
    later = lines(caplog, "upstream call failed")[3:]
    assert [(line["status"], line["count"]) for line in later] == [("INTERNAL", 19), ("DATA_LOSS", 19), ("UNKNOWN", 4)]
    instances: Any = side.report()
    assert instances[0]["failures_by_status"] == {"INTERNAL": 20, "DATA_LOSS": 20, "UNKNOWN": 5}
    await side.close()


async def test_too_slow_and_not_offered_are_told(
    upstream: Start, side_for: SideFor, caplog: pytest.LogCaptureFixture
) -> None:
    server = await upstream()
    server.hold("slow")
    side = side_for(server.address)
    with pytest.raises(UpstreamCallError):
        await side.caller.call(UpstreamRequest(action="slow"), 0.1)
    other = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    address = f"127.0.0.1:{other.add_insecure_port('127.0.0.1:0')}"
    await other.start()
    with pytest.raises(UpstreamCallError):
        await side_for(address).caller.call(CALL, 5.0)
    await other.stop(None)
    assert [(line["status"], line["cause"]) for line in lines(caplog, "upstream call failed")] == [
        ("DEADLINE_EXCEEDED", causes.TOO_SLOW),
        ("UNIMPLEMENTED", causes.NO_SERVICE),
    ]


async def test_no_instance_is_told(side_for: SideFor, caplog: pytest.LogCaptureFixture) -> None:
    side = side_for()
    for _ in range(20):
        with pytest.raises(NoInstance):
            await side.caller.call(CALL, 5.0)
    assert [line["service"] for line in lines(caplog, "no upstream in service")] == ["hello"]
