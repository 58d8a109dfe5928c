"""What the transport tests share: recording handlers and a raw client on stock aioquic."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from aioquic.buffer import encode_uint_var
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicPacketType
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.tls import Epoch

from quicgw_fast.transport import TransportLimits
from tests.support import usual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from quicgw_fast.transport import Connection, Listener

HOST = "127.0.0.1"
LIMITS = TransportLimits()

MAKER = ContextVar("maker", default="aioquic")
"""The maker that is tested; see the fixture ``maker``."""

SHORT_PATH = ContextVar("short_path", default=True)
"""Whether it takes its short path, if it has one."""


async def listen(host: str, port: int, **options: Any) -> Listener:
    """``usual.listen`` by the maker that is tested."""
    return await usual.listen(host, port, maker=MAKER.get(), **_on_its_path(options))


async def dial(host: str, port: int, **options: Any) -> Connection:
    """``usual.dial`` by the maker that is tested."""
    return await usual.dial(host, port, maker=MAKER.get(), **_on_its_path(options))


def _on_its_path(options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "limits": replace(options.get("limits", LIMITS), short_path=SHORT_PATH.get())}


async def until(condition: Callable[[], object], timeout: float = 20.0) -> None:
    """Wait for a condition; fails the test when it does not come true."""
    deadline = monotonic() + timeout
    while not condition():
        assert monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.002)


@dataclass
class Recorder:
    """A handler that keeps what it is told."""

    connection: Connection
    echo: bool = False
    data: bytearray = field(default_factory=bytearray)
    writable_calls: int = 0
    ends: list[tuple[int, str, bool]] = field(default_factory=list)

    def received(self, data: bytes) -> None:
        assert not self.ends, "received after closed"
        self.data += data
        if self.echo:
            self.connection.send(data)

    def writable(self) -> None:
        self.writable_calls += 1

    def closed(self, code: int, reason: str, by_peer: bool) -> None:
        self.ends.append((code, reason, by_peer))

    async def end(self) -> tuple[int, str, bool]:
        await until(lambda: self.ends)
        return self.ends[0]


class Recorders(list[Recorder]):
    """A factory that keeps the handlers it made."""

    def __init__(self, *, echo: bool = False) -> None:
        super().__init__()
        self.echo = echo

    def __call__(self, connection: Connection) -> Recorder:
        recorder = Recorder(connection, echo=self.echo)
        self.append(recorder)
        return recorder

    async def first(self) -> Recorder:
        await until(lambda: self)
        return self[0]


@contextlib.asynccontextmanager
async def listening(
    identity: tuple[Any, Any],
    factory: Any,
    limits: TransportLimits = LIMITS,
    **options: Any,
) -> AsyncIterator[Listener]:
    """A listener on a free port, with ``options`` for ``listen``; fails the test if it does not close cleanly."""
    certificate, key = identity
    listener = await listen(
        HOST, 0, certificate=certificate, private_key=key, factory=factory, limits=limits, **options
    )
    try:
        yield listener
    finally:
        await listener.close()
        assert listener.connections == 0
        assert listener.half_open == 0


class RawClient:
    """A stock aioquic connection on its own socket, with a back door for frames of any kind."""

    def __init__(
        self, server: tuple[str, int], *, alpn: list[str] | None = None, host: str = HOST, **options: Any
    ) -> None:
        self.server = server
        self.host = host
        self.quic = QuicConnection(
            configuration=QuicConfiguration(
                alpn_protocols=["gatesvr"] if alpn is None else (alpn or None),
                verify_mode=ssl.CERT_NONE,
                **options,
            )
        )
        self.data = bytearray()
        self.established = False
        self.retried = False
        self.close_seen: tuple[int, int | None, str] | None = None
        self.reading = True
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.sock = self._open()

    async def __aenter__(self) -> RawClient:
        self.quic.connect(self.server, now=monotonic())
        self.transmit()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.quic._close_event is None:
            self.quic.close(error_code=0)
            with contextlib.suppress(AssertionError):
                self.transmit()
        self._shut()

    async def connected(self) -> RawClient:
        await until(lambda: self.established or self.close_seen)
        assert self.established, self.close_seen
        return self

    async def closed(self) -> tuple[int, int | None, str]:
        await until(lambda: self.close_seen)
        assert self.close_seen is not None
        return self.close_seen

    async def received(self, count: int) -> bytes:
        await until(lambda: len(self.data) >= count, timeout=25)
        return bytes(self.data)

    def send(self, data: bytes, *, stream: int = 0, fin: bool = False) -> None:
        self.quic.send_stream_data(stream, data, end_stream=fin)
        self.transmit()

    def transmit(self) -> None:
        for data, address in self.quic.datagrams_to_send(now=monotonic()):
            self.sock.sendto(data, address)
        self._settle()

    def frames(self, payload: bytes, *, by: socket.socket | None = None) -> None:
        """Send one 1-RTT packet with these frames, whatever they are; ``by`` another socket, as who forges does."""
        quic = self.quic
        builder = QuicPacketBuilder(
            host_cid=quic.host_cid,
            peer_cid=quic._peer_cid.cid,
            version=quic._version or 1,
            is_client=True,
            max_datagram_size=1400,
            packet_number=quic._packet_number,
        )
        builder.start_packet(QuicPacketType.ONE_RTT, quic._cryptos[Epoch.ONE_RTT])
        builder._buffer.push_bytes(payload)
        datagrams, _ = builder.flush()
        quic._packet_number = builder.packet_number
        for data in datagrams:
            (by or self.sock).sendto(data, self.server)

    def rebind(self) -> None:
        """Go on from another UDP port, as after a NAT forgot the old one."""
        self._shut()
        self.sock = self._open()

    def ignore(self) -> None:
        """Read nothing any more, nor say anything but what is sent by hand."""
        self.reading = False
        self._loop.remove_reader(self.sock.fileno())

    def _open(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((self.host, 0))
        self._loop.add_reader(sock.fileno(), self._readable)
        return sock

    def _shut(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._loop.remove_reader(self.sock.fileno())
        self.sock.close()

    def _readable(self) -> None:
        self.hear(self.sock)

    def hear(self, sock: socket.socket) -> None:
        """Take what came to a socket, be it another one."""
        for _ in range(64):
            try:
                data, address = sock.recvfrom(65536)
            except BlockingIOError:
                break
            self.retried |= data[0] & 0xF0 == 0xF0
            self.quic.receive_datagram(data, address, now=monotonic())
        self._settle()
        if self.reading:
            self.transmit()

    def _settle(self) -> None:
        while (event := self.quic.next_event()) is not None:
            if isinstance(event, events.StreamDataReceived):
                self.data += event.data
            elif isinstance(event, events.HandshakeCompleted):
                self.established = True
        end = self.quic._close_event
        if end is not None and self.close_seen is None:
            self.close_seen = (end.error_code, end.frame_type, end.reason_phrase)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self.quic.get_timer()
        if at is not None and self.sock.fileno() >= 0:
            self._timer = self._loop.call_later(max(0.0, at - monotonic()), self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self.reading:
            self.quic.handle_timer(now=monotonic())
            self.transmit()


class MuteSocket:
    """Sends datagrams of any kind and says nothing else, for example first packets of handshakes."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((HOST, 0))
        self._sock.setblocking(False)

    def __enter__(self) -> MuteSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def send(self, *datagrams: bytes) -> None:
        for data in datagrams:
            self._sock.sendto(data, self._server)

    def answers(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self._sock.recv(65536))
            except BlockingIOError:
                return found


@contextlib.asynccontextmanager
async def offender_and_witness(
    identity: tuple[Any, Any], limits: TransportLimits = LIMITS, **options: Any
) -> AsyncIterator[tuple[Listener, RawClient, Recorder]]:
    """A connected client that is about to misbehave, and one beside it that must go on afterwards."""
    server = Recorders(echo=True)
    async with (
        listening(identity, server, limits, **options) as listener,
        RawClient(listener.address) as witness,
        RawClient(listener.address) as offender,
    ):
        await witness.connected()
        witness.send(b"before;")
        await witness.received(7)
        await offender.connected()
        offender.send(b"hello")
        await offender.received(5)
        yield listener, offender, server[1]
        witness.send(b"after;")
        assert await witness.received(13) == b"before;after;"
        assert witness.close_seen is None
        await until(lambda: listener.connections == (1 if offender.close_seen else 2))


def stream_frame(stream: int, offset: int, data: bytes, *, fin: bool = False) -> bytes:
    return bytes((0x0E | fin,)) + encode_uint_var(stream) + encode_uint_var(offset) + encode_uint_var(len(data)) + data


def ack(largest: int, first_range: int) -> bytes:
    return b"\x02" + encode_uint_var(largest) + encode_uint_var(0) + encode_uint_var(0) + encode_uint_var(first_range)
