"""A client and a server in memory, without sockets."""

from __future__ import annotations

import datetime
import functools

from aioquic.quic.configuration import QuicConfiguration
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519

from quicgw_fast.ports import GATESVR
from quicgw_fast.transport.aioquic.configuration import server_configuration
from quicgw_fast.transport.aioquic.core import GatewayQuic
from quicgw_fast.transport.certificates import Identity
from quicgw_fast.transport.connection_ids import random_ids
from quicgw_fast.transport.limits import TransportLimits

CLIENT = ("192.0.2.1", 1)
SERVER = ("192.0.2.2", 2)
LIMITS = TransportLimits()
IDS = random_ids()


def connected_pair(limits: TransportLimits = LIMITS) -> tuple[GatewayQuic, GatewayQuic, float]:
    """Return a client and a server that have done their handshake, and the time on their clock."""
    now = 1000.0
    client = GatewayQuic(
        configuration=QuicConfiguration(
            alpn_protocols=[GATESVR],
            max_data=limits.connection_window,
            max_stream_data=limits.stream_window,
            verify_mode=0,
        ),
        limits=limits,
        cid_issued=lambda _: None,
        connection_ids=IDS.make,
    )
    client.connect(SERVER, now=now)
    server = GatewayQuic(
        configuration=server_configuration(_identity(), limits, [GATESVR], IDS.length),
        limits=limits,
        cid_issued=lambda _: None,
        connection_ids=IDS.make,
        original_destination_cid=client.original_destination_connection_id,
    )
    for _ in range(4):
        now += 0.01
        for data, _ in client.datagrams_to_send(now):
            server.receive_datagram(data, CLIENT, now)
        now += 0.01
        for data, _ in server.datagrams_to_send(now):
            client.receive_datagram(data, SERVER, now)
    assert client.established()
    assert server.established()
    return client, server, now


@functools.cache
def _identity() -> Identity:
    key = ed25519.Ed25519PrivateKey.generate()
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, None)
    )
    return Identity(certificate, [], key)
