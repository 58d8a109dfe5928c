"""Services that misbehave, each in a process of its own: what it takes and what it costs is not the gateway's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import quicgw_fast
from tests.support.raw_http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    GRPC,
    HEADERS,
    OK,
    PING,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Http2Frame,
    Http2Peer,
    RawHttp2,
    frame_of,
    header_block,
    message,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Misbehaviour = Callable[[Http2Peer, int], Awaitable[None]]
    """What it does for the request of a stream, or, in stream 0, for a connection."""

ROOT = Path(__file__).parents[2]
INTERNAL_ERROR, REFUSED_STREAM = 2, 7
ANSWER = b"\x08\xc8\x01"
"""An UpstreamResponse with code 200."""
A_WINDOW = (1 << 31) - 1
MIB = 1 << 20
# Ten thousand entries, a megabyte and more in all.
BULK = header_block((f"bulk-{number}", "x" * 100) for number in range(10_000))
ON_REQUEST: dict[str, Misbehaviour] = {}
ON_CONNECTION: dict[str, Misbehaviour] = {}
SETTINGS_OF = {
    "lets no call go out": b"\0\3\0\0\0\0",
    "opens no window": b"\0\4\0\0\0\0",
    "announces what is not allowed": b"\0\4\xff\xff\xff\xff",
}


def on_request(name: str) -> Callable[[Misbehaviour], Misbehaviour]:
    """What it does with each request."""
    return lambda made: ON_REQUEST.setdefault(name, made)


def on_connection(name: str) -> Callable[[Misbehaviour], Misbehaviour]:
    """What it does with each connection; requests are not answered."""
    return lambda made: ON_CONNECTION.setdefault(name, made)


def long_head(stream: int, block: bytes, end: int = 0) -> bytes:
    """A head that is too long for one frame."""
    parts = [block[start : start + 16_384] for start in range(0, len(block), 16_384)]
    whole = frame_of(HEADERS, end, stream, parts[0])
    for part in parts[1:]:
        whole += frame_of(CONTINUATION, END_HEADERS if part is parts[-1] else 0, stream, part)
    return whole


@on_request("answers 10 000 headers")
async def many_headers(peer: Http2Peer, stream: int) -> None:
    entries = (b"\x0a\x05%05d\x12\x01x" % number for number in range(10_000))
    send_large(peer, stream, ANSWER + b"".join(b"\x22" + bytes([len(entry)]) + entry for entry in entries))


@on_request("answers headers larger than a frame may be")
async def headers_over_a_frame(peer: Http2Peer, stream: int) -> None:
    entries = (b"\x0a\x05%05d\x12\x64%s" % (number, b"x" * 100) for number in range(10_000))
    send_large(peer, stream, ANSWER + b"".join(b"\x22" + bytes([len(entry)]) + entry for entry in entries))


def send_large(peer: Http2Peer, stream: int, body: bytes) -> None:
    whole = message(body)
    peer.head(stream)
    for start in range(0, len(whole), 16_384):
        peer.send(DATA, 0, stream, whole[start : start + 16_384])
    peer.trailers(stream)


@on_request("sends metadata of a megabyte")
async def bulky_head(peer: Http2Peer, stream: int) -> None:
    peer.say(long_head(stream, header_block(((":status", "200"), *GRPC)) + BULK))
    peer.send(DATA, 0, stream, message(ANSWER))
    peer.trailers(stream)


@on_request("sends trailers of a megabyte")
async def bulky_trailers(peer: Http2Peer, stream: int) -> None:
    peer.head(stream)
    peer.send(DATA, 0, stream, message(ANSWER))
    peer.say(long_head(stream, header_block(OK) + BULK, END_STREAM))


@on_request("sends metadata that is 64 MB when it is not compressed")
async def bomb(peer: Http2Peer, stream: int) -> None:
    # A header of 4000 bytes that goes into the table (RFC 7541 §6.2.1), and 16 000 times one byte that stands for it.
    value = b"\x7f" + varint(4_000 - 127) + b"x" * 4_000
    peer.head(stream)
    peer.say(long_head(stream, b"\x40\x01a" + value + b"\xbe" * 16_000, END_STREAM))


def varint(rest: int) -> bytes:
    """What is left of a number after its prefix (RFC 7541 §5.1)."""
    encoded = b""
    while rest >= 0x80:
        encoded += bytes([rest & 0x7F | 0x80])
        rest >>= 7
    return encoded + bytes([rest])


@on_request("sends CONTINUATION without end")
async def endless_head(peer: Http2Peer, stream: int) -> None:
    peer.send(HEADERS, 0, stream, header_block(((":status", "200"), *GRPC)))
    await peer.repeat(frame_of(CONTINUATION, 0, stream, header_block([("a", "b")])) * 100)


@on_request("sends empty CONTINUATION without end")
async def empty_continuation(peer: Http2Peer, stream: int) -> None:
    peer.send(HEADERS, 0, stream, header_block(((":status", "200"), *GRPC)))
    await peer.repeat(frame_of(CONTINUATION, 0, stream) * 1000)


@on_request("sends informational heads without end")
async def informational(peer: Http2Peer, stream: int) -> None:
    block = header_block([(":status", "103"), ("link", "x" * 100)])
    await peer.repeat(frame_of(HEADERS, END_HEADERS, stream, block) * 100)


@on_request("answers drop by drop")
async def dripping(peer: Http2Peer, stream: int) -> None:
    peer.head(stream)
    peer.send(DATA, 0, stream, message(bytes(MIB))[:5])
    await peer.repeat(frame_of(DATA, 0, stream, b"\0"), 0.01)


@on_request("sends empty DATA without end")
async def empty_data(peer: Http2Peer, stream: int) -> None:
    peer.head(stream)
    await peer.repeat(frame_of(DATA, 0, stream) * 1000)


@on_request("sends padding without end")
async def padding(peer: Http2Peer, stream: int) -> None:
    peer.head(stream)
    await peer.repeat(frame_of(DATA, 8, stream, b"\xff" + bytes(255)) * 100)


@on_request("sends more than it announced")
async def more_than_announced(peer: Http2Peer, stream: int) -> None:
    peer.head(stream)
    peer.send(DATA, 0, stream, message(ANSWER))
    await peer.repeat(frame_of(DATA, 0, stream, bytes(16_384)))


@on_request("sends more than its content-length")
async def more_than_content_length(peer: Http2Peer, stream: int) -> None:
    peer.head(stream, (*GRPC, ("content-length", "8")))
    peer.send(DATA, 0, stream, message(ANSWER + bytes(1000)))
    peer.trailers(stream)


@on_request("sends beyond the window")
async def beyond_the_window(peer: Http2Peer, stream: int) -> None:
    peer.head(stream)
    peer.say(frame_of(DATA, 0, stream, message(bytes(MIB))[:16_384]))
    await peer.repeat(frame_of(DATA, 0, stream, bytes(16_384)) * 16)


@on_request("announces 4 GiB")
async def announces_4_gib(peer: Http2Peer, stream: int) -> None:
    peer.head(stream)
    await peer.repeat(frame_of(DATA, 0, stream, b"\0\xff\xff\xff\xff" + bytes(16_379)))


@on_request("answers what cannot be parsed")
async def unparsable(peer: Http2Peer, stream: int) -> None:
    peer.answer(stream, b"\xff" * 1000)


@on_request("answers groups in groups")
async def deep(peer: Http2Peer, stream: int) -> None:
    send_large(peer, stream, b"\xfb\x7f" * 100_000)


@on_request("says that its answer is compressed")
async def compressed(peer: Http2Peer, stream: int) -> None:
    peer.head(stream)
    peer.send(DATA, 0, stream, message(ANSWER, compressed=True))
    peer.trailers(stream)


@on_request("resets each call")
async def resets(peer: Http2Peer, stream: int) -> None:
    peer.number(RST_STREAM, stream, INTERNAL_ERROR)


@on_request("refuses each call")
async def refuses(peer: Http2Peer, stream: int) -> None:
    peer.number(RST_STREAM, stream, REFUSED_STREAM)


@on_request("resets a call without end")
async def reset_storm(peer: Http2Peer, stream: int) -> None:
    await peer.repeat(frame_of(RST_STREAM, 0, stream, b"\0\0\0\2") * 1000)


@on_connection("says GOAWAY to each connection")
async def goes_away(peer: Http2Peer, stream: int) -> None:
    peer.number(GOAWAY, stream, 0, 0)


@on_connection("says GOAWAY without end")
async def goaway_storm(peer: Http2Peer, stream: int) -> None:
    await peer.repeat(frame_of(GOAWAY, 0, stream, b"\x7f\xff\xff\xff\0\0\0\0") * 1000)


@on_connection("breaks off each connection")
async def breaks_off(peer: Http2Peer, _: int) -> None:
    peer.abort()


@on_connection("sends SETTINGS without end")
async def settings_storm(peer: Http2Peer, stream: int) -> None:
    await peer.repeat(frame_of(SETTINGS, 0, stream, b"\0\3\0\0\1\0") * 1000)


@on_connection("sends SETTINGS without end and reads nothing")
async def settings_unread(peer: Http2Peer, stream: int) -> None:
    peer.read(False)
    await settings_storm(peer, stream)


@on_connection("sends PING without end")
async def ping_storm(peer: Http2Peer, stream: int) -> None:
    await peer.repeat(frame_of(PING, 0, stream, bytes(8)) * 1000)


@on_connection("sends PING without end and reads nothing")
async def pings_unread(peer: Http2Peer, stream: int) -> None:
    peer.read(False)
    await ping_storm(peer, stream)


@on_connection("sends frames of no kind without end")
async def unknown_frames(peer: Http2Peer, stream: int) -> None:
    await peer.repeat(frame_of(0xEE, 0, stream) * 1000)


@on_connection("opens windows without end")
async def windows(peer: Http2Peer, stream: int) -> None:
    await peer.repeat(frame_of(WINDOW_UPDATE, 0, stream, b"\0\0\0\1") * 1000)


@on_connection("opens a window too far")
async def window_overflow(peer: Http2Peer, stream: int) -> None:
    peer.number(WINDOW_UPDATE, stream, A_WINDOW)


@on_request("opens the window of a call too far")
async def call_window_overflow(peer: Http2Peer, stream: int) -> None:
    peer.number(WINDOW_UPDATE, stream, A_WINDOW)
    peer.number(WINDOW_UPDATE, stream, A_WINDOW)


@on_request("pushes")
async def pushes(peer: Http2Peer, stream: int) -> None:
    peer.send(PUSH_PROMISE, END_HEADERS, stream, b"\0\0\0\2" + header_block([(":method", "GET")]))


@on_request("closes amid an answer")
async def closes(peer: Http2Peer, stream: int) -> None:
    peer.head(stream)
    peer.send(DATA, 0, stream, message(bytes(1000))[:100])
    await peer.drained()
    peer.abort()


@on_request("answers two messages")
async def two_messages(peer: Http2Peer, stream: int) -> None:
    peer.head(stream)
    peer.send(DATA, 0, stream, message(ANSWER) * 2)
    peer.trailers(stream)


@on_request("answers twice")
async def twice(peer: Http2Peer, stream: int) -> None:
    peer.answer(stream, ANSWER)
    peer.answer(stream, ANSWER)


@on_request("sends DATA without end after the trailers")
async def after_the_end(peer: Http2Peer, stream: int) -> None:
    peer.answer(stream, ANSWER)
    await peer.repeat(frame_of(DATA, 0, stream, bytes(100)) * 100)


@on_request("sends a head of no HTTP")
async def bad_head(peer: Http2Peer, stream: int) -> None:
    peer.send(HEADERS, END_HEADERS, stream, header_block([("UPPER", "x"), (":status", "x")]))


@on_request("sends HPACK of nothing")
async def bad_hpack(peer: Http2Peer, stream: int) -> None:
    peer.send(HEADERS, END_HEADERS, stream, b"\xff\xff\xff\xff\xff\xff")


@on_request("sends a frame of 16 MB")
async def large_frame(peer: Http2Peer, stream: int) -> None:
    peer.head(stream)
    peer.say(b"\xff\xff\xff\0\0" + stream.to_bytes(4, "big"))
    await peer.repeat(bytes(16_384))


class BadService(NamedTuple):
    """One that runs."""

    address: str
    connections: list[str]
    """One for each that it took."""


@contextlib.asynccontextmanager
async def bad_service(name: str) -> AsyncIterator[BadService]:
    """Start the one that does that, and kill it at the end."""
    package = Path(quicgw_fast.__file__).parents[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        name,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{package}"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    connections: list[str] = []

    async def count(stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            connections.append(line.decode())

    try:
        address = (await process.stdout.readline()).decode().strip()
        assert address
        counting = asyncio.create_task(count(process.stdout))
        yield BadService(address, connections)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    await counting


async def main(name: str) -> None:
    tasks: set[asyncio.Task[None]] = set()
    on_a_request, on_a_connection = ON_REQUEST.get(name), ON_CONNECTION.get(name)
    greeted: set[Http2Peer] = set()

    def script(peer: Http2Peer, frame: Http2Frame) -> None:
        if peer not in greeted and frame.kind == SETTINGS and frame.flags & ACK:
            greeted.add(peer)
            print("connection", flush=True)
            if on_a_connection is not None:
                tasks.add(asyncio.create_task(quietly(on_a_connection(peer, 0))))
        if frame.ends and on_a_request is not None:
            tasks.add(asyncio.create_task(quietly(on_a_request(peer, frame.stream))))

    async with RawHttp2(script, SETTINGS_OF.get(name, b"")) as service:
        print(service.address, flush=True)
        await asyncio.Event().wait()


async def quietly(misbehaving: Awaitable[None]) -> None:
    """Whom it was meant for may have gone."""
    with contextlib.suppress(ConnectionError):
        await misbehaving


NAMES = (*ON_REQUEST, *ON_CONNECTION, *SETTINGS_OF)

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
