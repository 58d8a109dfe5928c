"""An HTTP/2 service that says what a test tells it, frame by frame (RFC 9113), as no honest library would."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Script = Callable[["Http2Peer", "Http2Frame"], None]

DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
ACK = END_STREAM = 1
END_HEADERS = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
OK = (("grpc-status", "0"),)
GRPC = (("content-type", "application/grpc"),)


class Http2Frame(NamedTuple):
    """One frame that came."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def ends(self) -> bool:
        """Whether it ends a request."""
        return self.kind in (DATA, HEADERS) and bool(self.flags & END_STREAM)


def header_block(headers: Iterable[tuple[str, str]]) -> bytes:
    """Headers without compression: each a literal that is not indexed (RFC 7541 §6.2.2)."""
    encoded = ((name.encode(), value.encode()) for name, value in headers)
    return b"".join(b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in encoded)


def message(body: bytes, compressed: bool = False) -> bytes:
    """The frame of gRPC around a message."""
    return bytes([compressed]) + len(body).to_bytes(4, "big") + body


def frame_of(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame, as it goes over the wire."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


class Http2Peer:
    """The service's end of one connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def send(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        """Send one frame."""
        self._writer.write(frame_of(kind, flags, stream, payload))

    def number(self, kind: int, stream: int, *numbers: int) -> None:
        """Send a frame whose payload is numbers of four bytes."""
        self.send(kind, 0, stream, b"".join(number.to_bytes(4, "big") for number in numbers))

    def head(self, stream: int, headers: Iterable[tuple[str, str]] = GRPC, status: int = 200, flags: int = 0) -> None:
        """Send the head of an answer."""
        self.send(HEADERS, END_HEADERS | flags, stream, header_block(((":status", str(status)), *headers)))

    def trailers(self, stream: int, headers: Iterable[tuple[str, str]] = OK) -> None:
        """Send what ends an answer."""
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, header_block(headers))

    def answer(self, stream: int, body: bytes = b"") -> None:
        """Send a whole answer."""
        self.head(stream)
        self.send(DATA, 0, stream, message(body))
        self.trailers(stream)

    def say(self, data: bytes) -> None:
        """Send bytes that need not be frames."""
        self._writer.write(data)

    async def repeat(self, data: bytes, pause: float = 0.0) -> None:
        """Send bytes again and again, with so many seconds between, until nobody takes them any more."""
        while not self._writer.is_closing():
            self._writer.write(data)
            await self._writer.drain()
            await asyncio.sleep(pause)

    async def drained(self) -> None:
        """Wait until what was sent has gone out, nearly all."""
        await self._writer.drain()

    def read(self, reading: bool) -> None:
        """Read what comes, or leave it to the network."""
        if reading:
            self._writer.transport.resume_reading()  # type: ignore[attr-defined]
        else:
            self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def abort(self) -> None:
        """Break the connection off."""
        self._writer.transport.abort()


class RawHttp2:
    """Listens, and hands the script each frame of each connection; SETTINGS are exchanged before."""

    def __init__(self, script: Script, settings: bytes = b"") -> None:
        self._script = script
        self._settings = settings
        self.address = ""
        self.peers: list[Http2Peer] = []
        self.frames: list[Http2Frame] = []
        self.drops = 0
        """Connections to drop without a word from now on; counted down."""
        self._server: asyncio.Server
        self._serving: set[asyncio.Task[None]] = set()

    def of(self, kind: int) -> list[Http2Frame]:
        """The frames of one kind that came."""
        return [frame for frame in self.frames if frame.kind == kind]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.drops:
            self.drops -= 1
            writer.transport.abort()
            return
        self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Http2Peer(writer)
        self.peers.append(peer)
        peer.send(SETTINGS, 0, 0, self._settings)
        try:
            await reader.readexactly(len(PREFACE))
            while True:
                head = await reader.readexactly(9)
                payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
                frame = Http2Frame(head[3], head[4], int.from_bytes(head[5:], "big"), payload)
                self.frames.append(frame)
                if frame.kind == SETTINGS and not frame.flags & ACK:
                    peer.send(SETTINGS, ACK, 0)
                else:
                    self._script(peer, frame)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def __aenter__(self) -> RawHttp2:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *what: object) -> None:
        self._server.close()
        for peer in self.peers:
            peer.abort()
        await self._server.wait_closed()
        await asyncio.gather(*self._serving)
