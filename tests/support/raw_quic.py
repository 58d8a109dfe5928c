"""The QUIC side of the raw client: stock aioquic, with handles for being a bad peer.

Private names of aioquic are used for two things that have no public way: seeing the close of the peer at once
(its own event comes three probe timeouts later), and keeping flow-control credit back.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    Address = tuple[Any, ...]

SOCKET_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class CloseInfo:
    """How a connection ended; ``application``: the code is of protocol §6, not one of QUIC itself."""

    code: int
    reason: str
    application: bool


class HoldingConnection(QuicConnection):
    """A connection that can stop granting flow-control credit, like an application that does not read."""

    holding: bool = False

    def ignore_stream_limits(self) -> None:
        """Open streams as if the peer had allowed plenty."""
        self._remote_max_streams_bidi = self._remote_max_streams_uni = 1000

    def _write_connection_limits(self, builder: Any, space: Any) -> None:
        if not self.holding:
            super()._write_connection_limits(builder=builder, space=space)

    def _write_stream_limits(self, builder: Any, space: Any, stream: Any) -> None:
        if not self.holding:
            super()._write_stream_limits(builder=builder, space=space, stream=stream)


class RawProtocol(QuicConnectionProtocol):
    """Hands stream bytes and the end of the connection to two callables."""

    def __init__(
        self,
        quic: HoldingConnection,
        on_data: Callable[[int, bytes, bool], None],
        on_close: Callable[[CloseInfo], None],
    ) -> None:
        super().__init__(quic)
        self._on_data = on_data
        self._on_close = on_close
        self._ended = False
        self._gone = False
        self.deaf = False
        self.resets: list[QuicEvent] = []

    @property
    def peer_certificate(self) -> x509.Certificate:
        """What the server showed in the handshake."""
        certificate = self._quic.tls._peer_certificate
        assert certificate is not None
        return certificate

    def datagram_received(self, data: bytes | str, addr: Address) -> None:
        if self.deaf or self._gone:
            return
        super().datagram_received(data, addr)
        event: ConnectionTerminated | None = getattr(self._quic, "_close_event")  # noqa: B009
        if event is not None:
            self._end(event)

    def error_received(self, exc: Exception) -> None:
        """Ignore ICMP errors: a UDP peer that is not there yet or any more is QUIC's business."""

    def transmit(self) -> None:
        if not self._gone:
            super().transmit()

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, StreamDataReceived):
            self._on_data(event.stream_id, event.data, event.end_stream)
        elif isinstance(event, ConnectionTerminated):
            self._end(event)
        elif isinstance(event, StreamReset | StopSendingReceived):
            self.resets.append(event)

    def vanish(self) -> None:
        """Stop at once without telling the peer anything: no CLOSE, no acknowledgement, no retransmission."""
        self._gone = True
        for handle in (self._timer, self._transmit_task):
            if handle is not None:
                handle.cancel()
        self._timer = self._transmit_task = None
        if self._transport is not None:
            self._transport.close()

    async def bury(self) -> None:
        """Send, from a socket of its own, the CLOSE that :meth:`vanish` kept back."""
        self._gone = False
        self._transport = await attach(self)
        self.close()
        self.vanish()

    def _end(self, event: ConnectionTerminated) -> None:
        if not self._ended:
            self._ended = True
            self._on_close(CloseInfo(event.error_code, event.reason_phrase, event.frame_type is None))


def client_configuration(
    alpn: str | None, host: str, *, idle_timeout: float, receive_window: int, ca: str | None
) -> QuicConfiguration:
    """Make the client's settings; without ``ca`` (a PEM file) the certificate is not checked."""
    configuration = QuicConfiguration(
        is_client=True,
        alpn_protocols=None if alpn is None else [alpn],
        idle_timeout=idle_timeout,
        max_data=receive_window,
        max_stream_data=receive_window,
        server_name=host,
    )
    if ca is None:
        configuration.verify_mode = ssl.CERT_NONE
    else:
        configuration.load_verify_locations(cafile=ca)
    return configuration


def udp_socket(host: str = "127.0.0.1") -> socket.socket:
    """Open a non-blocking UDP socket on a free port of ``host``, with room for a burst."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        sock.bind((host, 0))
    except OSError:
        sock.close()
        raise
    return sock


async def attach(protocol: asyncio.DatagramProtocol) -> asyncio.DatagramTransport:
    """Give a protocol a new local address; the caller closes the transport it had before."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: protocol, sock=udp_socket())
    if hasattr(transport, "max_size"):
        transport.max_size = 65536  # asyncio allocates this much for every read; its own value is four times that
    return transport


async def hang_up(transport: asyncio.DatagramTransport) -> None:
    """Close a socket, for real: asyncio does it in the next turn of the loop."""
    transport.close()
    await asyncio.sleep(0)
