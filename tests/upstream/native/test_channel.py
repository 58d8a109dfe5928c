"""What a service may do to a connection and to its calls, and what the native maker makes of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
from quicgw_fast.upstream import Instance, UpstreamFailed, UpstreamTimeout, causes
from quicgw_fast.upstream.native import channel as channel_module
from quicgw_fast.upstream.native.channel import NativeChannel
from tests.support import strangers
from tests.support.raw_http2 import (
    DATA,
    END_STREAM,
    GOAWAY,
    GRPC,
    HEADERS,
    OK,
    RST_STREAM,
    WINDOW_UPDATE,
    Http2Frame,
    Http2Peer,
    RawHttp2,
    message,
)
from tests.upstream.conftest import call_over, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.raw_http2 import Script

REFUSED_STREAM = 7
ANSWER = UpstreamResponse(code=200, data=b"x")
MAX_CONCURRENT_STREAMS_1 = b"\0\3\0\0\0\1"
WINDOW_1_GIB = b"\0\4\x40\0\0\0"


class Watch:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def channel_up(self, instance: Instance) -> None:
        self.told.append("up")

    def channel_down(self, instance: Instance) -> None:
        self.told.append(instance.reason)


@asynccontextmanager
async def channel_to(script: Script, settings: bytes = b"") -> AsyncIterator[tuple[NativeChannel, RawHttp2]]:
    """A channel that is connected to a service that follows the script."""
    async with RawHttp2(script, settings) as service:
        channel = NativeChannel(Instance(service.address, registered=False), Watch(), None)
        await channel.wait_reached(5.0)
        yield channel, service
        await channel.close()


async def call(channel: NativeChannel, timeout: float = 5.0) -> UpstreamResponse:
    return await call_over(channel, UpstreamRequest(action="x"), timeout)


def no_answer(peer: Http2Peer, frame: Http2Frame) -> None:
    """Take everything, and say nothing."""


def requests(service: RawHttp2) -> int:
    return sum(frame.ends for frame in service.frames)


async def test_an_answer_may_come_in_pieces() -> None:
    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        if frame.ends:
            peer.head(frame.stream)
            for byte in message(ANSWER.SerializeToString()):
                peer.send(DATA, 0, frame.stream, bytes([byte]))
            peer.trailers(frame.stream)

    async with channel_to(script) as (channel, _):
        assert await call(channel) == ANSWER


async def test_what_the_service_never_looked_at_is_called_again_once() -> None:
    refusals = [1, 2, 2]

    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        if frame.ends and refusals.pop(0):
            peer.number(RST_STREAM, frame.stream, REFUSED_STREAM)
        elif frame.ends:
            peer.answer(frame.stream, ANSWER.SerializeToString())

    async with channel_to(script) as (channel, service):
        refusals[:] = [1, 0]
        assert await call(channel) == ANSWER
        refusals[:] = [1, 1, 0]
        with pytest.raises(UpstreamFailed, match="refused again") as caught:
            await call(channel)
        assert caught.value.status == "UNAVAILABLE"
        assert requests(service) == 4


async def test_a_connection_is_replaced_when_the_service_goes_away_and_ends_its_calls_first() -> None:
    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        if not frame.ends:
            return
        if peer is not service.peers[0]:
            peer.answer(frame.stream, b"")
        elif frame.stream == 3:
            peer.number(GOAWAY, 0, 1, 0)

    async with channel_to(script) as (channel, service):
        first = asyncio.create_task(call(channel))
        await until(lambda: requests(service) == 1)
        assert await call(channel) == UpstreamResponse(), "the second one goes over the new connection"
        assert len(service.peers) == 2
        assert not first.done()
        service.peers[0].answer(1, ANSWER.SerializeToString())
        assert await first == ANSWER
        assert requests(service) == 3


async def test_what_was_not_sent_yet_goes_over_the_next_connection() -> None:
    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        if frame.ends and peer is not service.peers[0]:
            peer.answer(frame.stream)

    async with channel_to(script, MAX_CONCURRENT_STREAMS_1) as (channel, service):
        first = asyncio.create_task(call(channel))
        await until(lambda: requests(service) == 1)
        second = asyncio.create_task(call(channel))
        await asyncio.sleep(0)
        service.peers[0].number(GOAWAY, 0, 1, 0)
        assert await second == UpstreamResponse()
        service.peers[0].answer(1, ANSWER.SerializeToString())
        assert await first == ANSWER


async def test_a_deadline_counts_while_there_is_no_connection_yet() -> None:
    with strangers.silent() as address:
        channel = NativeChannel(Instance(address, registered=False), Watch(), None)
        with pytest.raises(UpstreamTimeout):
            await call(channel, 0.1)
        await channel.close()


async def test_a_renewed_connection_is_no_news() -> None:
    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        if frame.ends:
            peer.answer(frame.stream)

    async with RawHttp2(script) as service:
        watch = Watch()
        instance = Instance(service.address, registered=False)
        channel = NativeChannel(instance, watch, None)
        await channel.wait_reached(5.0)
        for count in range(2, 5):
            service.peers[-1].number(GOAWAY, 0, 0, 0)
            await until(lambda count=count: len(service.peers) == count and instance.connected)
            await call(channel)
        assert watch.told == ["up"]
        await channel.close()


@pytest.mark.parametrize(
    ("reason", "status"), [(8, "CANCELLED"), (2, "INTERNAL"), (11, "RESOURCE_EXHAUSTED"), (12, "PERMISSION_DENIED")]
)
async def test_a_reset_is_the_status_that_grpc_has_for_it(reason: int, status: str) -> None:
    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        if frame.ends:
            peer.number(RST_STREAM, frame.stream, reason)

    async with channel_to(script) as (channel, service):
        with pytest.raises(UpstreamFailed) as caught:
            await call(channel)
        assert (caught.value.status, requests(service)) == (status, 1)


@pytest.mark.parametrize(
    ("status", "headers", "body", "trailers", "expected", "detail"),
    [
        (503, GRPC, None, OK, "UNAVAILABLE", "HTTP status 503"),
        (200, (("content-type", "text/html"),), None, OK, "UNKNOWN", "text/html"),
        (200, GRPC, message(b"", compressed=True), OK, "INTERNAL", "compressed"),
        (200, GRPC, b"", OK, "INTERNAL", "without an answer"),
        (200, GRPC, message(b"")[:3], OK, "INTERNAL", "without an answer"),
        (200, GRPC, message(b"x" * 9)[:-1], OK, "INTERNAL", "cut off"),
        (200, GRPC, message(b"") * 2, OK, "INTERNAL", "more than one"),
        (200, GRPC, message(b""), (), "INTERNAL", "without a gRPC status"),
        (200, GRPC, b"", (("grpc-status", "99"),), "UNKNOWN", "no details"),
        (200, GRPC, b"", (("grpc-status", "5"), ("grpc-message", "f%C3%BCnf%")), "NOT_FOUND", "fünf%"),
        (200, (*GRPC, ("grpc-status", "9")), None, OK, "FAILED_PRECONDITION", "no details"),
    ],
)
async def test_what_is_no_answer_fails_and_says_why(
    status: int,
    headers: tuple[tuple[str, str], ...],
    body: bytes | None,
    trailers: tuple[tuple[str, str], ...],
    expected: str,
    detail: str,
) -> None:
    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        if not frame.ends:
            return
        peer.head(frame.stream, headers, status, END_STREAM if body is None else 0)
        if body is not None:
            peer.send(DATA, 0, frame.stream, body)
            peer.trailers(frame.stream, trailers)

    async with channel_to(script) as (channel, service):
        with pytest.raises(UpstreamFailed) as caught:
            await call(channel)
        assert caught.value.status == expected
        assert detail in caught.value.internal
        assert len(service.peers) == 1, "and the connection is as good as before"


async def test_calls_under_way_fail_when_the_connection_breaks_and_later_ones_use_the_next() -> None:
    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        if frame.ends and peer is service.peers[0]:
            peer.abort()
        elif frame.ends:
            peer.answer(frame.stream)

    async with channel_to(script) as (channel, service):
        with pytest.raises(UpstreamFailed) as caught:
            await call(channel)
        assert (caught.value.status, caught.value.cause) == ("UNAVAILABLE", causes.BROKE_OFF)
        await call(channel)
        assert len(service.peers) == 2


@pytest.mark.parametrize("nonsense", [b"\xff" * 64, b"\0\0\0\4\0\0\0\0\1", b"\0\0\1\6\0\0\0\0\0x"])
async def test_what_is_not_http2_ends_a_connection(nonsense: bytes) -> None:
    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        if frame.ends and peer is service.peers[0]:
            peer.say(nonsense)
        elif frame.ends:
            peer.answer(frame.stream)

    async with channel_to(script) as (channel, service):
        with pytest.raises(UpstreamFailed) as caught:
            await call(channel)
        assert caught.value.cause == causes.BROKE_OFF
        await until(lambda: service.of(GOAWAY))
        await call(channel)


async def test_a_call_waits_for_the_services_limit_of_streams_and_is_not_made_after_its_deadline() -> None:
    async with channel_to(no_answer, MAX_CONCURRENT_STREAMS_1) as (channel, service):
        first = asyncio.create_task(call(channel))
        await until(lambda: requests(service) == 1)
        second = asyncio.create_task(call(channel))
        with pytest.raises(UpstreamTimeout):
            await call(channel, 0.1)
        assert requests(service) == 1
        service.peers[0].answer(1)
        await first
        await until(lambda: requests(service) == 2)
        service.peers[0].answer(service.frames[-1].stream)
        await second
        await call_and_answer(channel, service)
        assert requests(service) == 3


async def call_and_answer(channel: NativeChannel, service: RawHttp2) -> None:
    before = requests(service)
    task = asyncio.create_task(call(channel))
    await until(lambda: requests(service) > before)
    service.peers[-1].answer([frame for frame in service.frames if frame.ends][-1].stream)
    await task


async def test_answers_that_come_too_late_do_not_end_the_connection() -> None:
    """However many: h2 counts those of streams that it has forgotten, unless it is told not to."""
    many = 6000
    async with channel_to(no_answer) as (channel, service):
        late = [asyncio.create_task(call(channel, 0.5)) for _ in range(many)]
        outcomes = await asyncio.gather(*late, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {UpstreamTimeout}
        peer = service.peers[0]
        await until(lambda: len(service.of(RST_STREAM)) == many)
        for stream in range(1, 2 * many, 2):
            peer.answer(stream)
        await call_and_answer(channel, service)
        assert service.peers == [peer]


async def test_a_request_waits_for_the_window_and_can_be_cancelled_there() -> None:
    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        if frame.ends:
            peer.answer(frame.stream)

    async with channel_to(script) as (channel, service):
        large = UpstreamRequest(data=bytes(200_000))
        tasks = [asyncio.create_task(call_over(channel, large, 5.0)) for _ in range(2)]
        await until(lambda: sum(len(frame.payload) for frame in service.of(DATA)) == 65_535)
        tasks[0].cancel()
        await until(lambda: service.of(RST_STREAM))
        for stream in (0, *(frame.stream for frame in service.of(HEADERS))):
            service.peers[0].number(WINDOW_UPDATE, stream, 1 << 20)
        assert await tasks[1] == UpstreamResponse()
        assert tasks[0].cancelled()
        await call(channel)


async def test_a_service_that_does_not_read_holds_up_its_own_calls_only_as_long_as_it_likes() -> None:
    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        if frame.ends:
            peer.answer(frame.stream)

    async with channel_to(script, WINDOW_1_GIB) as (channel, service):
        peer = service.peers[0]
        peer.number(WINDOW_UPDATE, 0, 1 << 30)
        await call(channel)
        peer.read(False)
        large = UpstreamRequest(data=bytes(2_000_000))
        tasks = [asyncio.create_task(call_over(channel, large, 30.0)) for _ in range(20)]
        with pytest.raises(UpstreamTimeout):
            await call(channel, 0.1)
        peer.read(True)
        assert await asyncio.gather(*tasks) == [UpstreamResponse()] * 20
        peer.read(False)
        tasks = [asyncio.create_task(call_over(channel, large, 30.0)) for _ in range(20)]
        with pytest.raises(UpstreamTimeout):
            await call(channel, 0.1)
        async with asyncio.timeout(5.0):
            await channel.close()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert {getattr(outcome, "status", None) for outcome in outcomes} == {"CANCELLED"}


async def test_a_service_that_drops_one_more_connection_as_it_stops_is_told_as_what_it_is_then() -> None:
    async with RawHttp2(no_answer) as service:
        watch = Watch()
        channel = NativeChannel(Instance(service.address, registered=False), watch, None)
        await channel.wait_reached(5.0)
        service.drops = 1
        service.peers[0].abort()
        await until(lambda: service.drops == 0)
    await until(lambda: len(watch.told) == 2)
    assert watch.told == ["up", causes.NOTHING_LISTENS]
    await channel.close()


async def test_a_fault_of_the_program_is_told_and_no_call_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: str, **__: str) -> None:
        raise RuntimeError("dialling failed")

    monkeypatch.setattr(channel_module, "dial", broken)
    channel = NativeChannel(Instance("127.0.0.1:1", registered=False), Watch(), None)
    with pytest.raises(UpstreamFailed, match="dialling failed") as caught:
        await call(channel)
    assert caught.value.cause == "nobody connects to it any more"
    assert "upstream not followed any more" in caplog.text
    await channel.close()
