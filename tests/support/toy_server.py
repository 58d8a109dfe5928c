"""A scripted QUIC server for the raw client's own tests: stock aioquic, no gateway."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, cast

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamDataReceived
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from quicgw_fast.proto import client_pb2 as pb
from tests.support import raw_quic, wire

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    Script = Callable[["ToyConnection", pb.ClientRequest], None]


def certificate() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Make a self-signed certificate for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made, key


class ToyConnection(QuicConnectionProtocol):
    """One client's connection; every message on it goes to the script."""

    script: Script
    ended: ConnectionTerminated | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._splitter = wire.Splitter()

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, StreamDataReceived):
            for body in self._splitter.feed(event.data):
                self.script(self, pb.ClientRequest.FromString(body))
        elif isinstance(event, ConnectionTerminated):
            self.ended = event

    def push(self, push: pb.ServerPush) -> None:
        """Send one push on the client's stream."""
        self._quic.send_stream_data(0, wire.frame(push.SerializeToString()))
        self.transmit()

    def path(self) -> object:
        """The address that the client seems to have."""
        return self._quic.get_peer_address()


class ToyServer:
    """Listens on a free port and runs one script for every connection; ``connections`` holds them all."""

    def __init__(self, script: Script) -> None:
        self.connections: list[ToyConnection] = []
        self.address = ("", 0)
        self._script = script
        self._configuration = QuicConfiguration(is_client=False, alpn_protocols=["gatesvr"])
        self._configuration.certificate, self._configuration.private_key = certificate()
        self._transport: asyncio.DatagramTransport

    def _connection(self, *arguments: object, **named: object) -> ToyConnection:
        connection = ToyConnection(*arguments, **named)  # type: ignore[arg-type]
        connection.script = self._script
        self.connections.append(connection)
        return connection

    async def __aenter__(self) -> ToyServer:
        server = QuicServer(configuration=self._configuration, create_protocol=self._connection)
        self._transport = await raw_quic.attach(cast("asyncio.DatagramProtocol", server))
        self.address = self._transport.get_extra_info("sockname")
        return self

    async def __aexit__(self, *what: object) -> None:
        for connection in self.connections:
            raw_quic.RawProtocol.vanish(cast("raw_quic.RawProtocol", connection))
        await raw_quic.hang_up(self._transport)
