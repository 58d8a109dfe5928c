"""Starting a listener and dialing one: what can go wrong has a sentence that says what to do."""

from __future__ import annotations

import asyncio
import socket
import stat
from pathlib import Path

import pytest
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from quicgw_fast.errors import StartupError
from quicgw_fast.transport import ConnectFailed, TransportLimits, development_certificate

from .helpers import HOST, Recorders, dial, listen, listening, until

pytestmark = pytest.mark.usefixtures("maker")

Identity = tuple[Path, Path]


def write_key(path: Path, key: object, encryption: object = None) -> Path:
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())  # type: ignore[attr-defined]
    )
    return path


async def refused(certificate: Path, key: Path, host: str = HOST, port: int = 0) -> str:
    with pytest.raises(StartupError) as caught:
        await listen(host, port, certificate=certificate, private_key=key, factory=Recorders())
    return str(caught.value)


async def test_certificates_that_cannot_be_used(identity: Identity, tmp_path: Path) -> None:
    certificate, key = identity
    missing, junk = tmp_path / "missing.pem", tmp_path / "junk.pem"
    junk.write_text("-----BEGIN NOTHING-----")
    assert f"{missing} cannot be read" in await refused(missing, key)
    assert f"{missing} cannot be read" in await refused(certificate, missing)
    assert f"{tmp_path} cannot be read" in await refused(tmp_path, key)
    assert "no readable PEM certificate" in await refused(junk, key)
    assert "no readable PEM private key" in await refused(certificate, junk)
    assert "(it is a private key)" in await refused(key, key)
    damaged = tmp_path / "damaged.pem"
    damaged.write_bytes(certificate.read_bytes().replace(b"\nM", b"\n*", 1))
    assert "(a certificate in it is damaged)" in await refused(damaged, key)
    other = write_key(tmp_path / "other.pem", ec.generate_private_key(ec.SECP256R1()))
    assert "does not belong to" in await refused(certificate, other)
    secret = write_key(tmp_path / "secret.pem", ed25519.Ed25519PrivateKey.generate(), BestAvailableEncryption(b"x"))
    assert "is encrypted" in await refused(certificate, secret)
    odd = write_key(tmp_path / "odd.pem", ec.generate_private_key(ec.SECP521R1()))
    assert "of a kind that QUIC cannot use" in await refused(certificate, odd)
    long = tmp_path / "long.pem"
    long.write_bytes(certificate.read_bytes() * 40)
    assert "longer than" in await refused(long, key)


async def test_addresses_that_cannot_be_used(identity: Identity) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        message = await refused(*identity, port=port)
        assert f"{HOST}:{port}" in message
        assert "another process has this port" in message
    assert "must name an address of this machine" in await refused(*identity, host="192.0.2.1")
    assert "cannot be used" in await refused(*identity, host="no.such.host.invalid")
    assert "not a port number" in await refused(*identity, port=70000)


async def test_a_port_is_free_again_after_the_close(identity: Identity) -> None:
    certificate, key = identity
    port = 0
    for _ in range(3):
        listener = await listen(HOST, port, certificate=certificate, private_key=key, factory=Recorders())
        port = listener.address[1]
        await listener.close()


def test_the_development_certificate(tmp_path: Path) -> None:
    for _ in range(2):
        certificate, key = development_certificate(tmp_path / "new" / "folder")
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        names = (
            x509.load_pem_x509_certificate(certificate.read_bytes())
            .extensions.get_extension_for_class(x509.SubjectAlternativeName)
            .value
        )
        assert names.get_values_for_type(x509.DNSName) == ["localhost"]
        assert [str(name) for name in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_limits_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="low_water"):
        TransportLimits(high_water=1, low_water=2)
    with pytest.raises(ValueError, match="ack_delay"):
        TransportLimits(ack_delay=0.05)


# Dialing


@pytest.mark.parametrize("host", [HOST, "localhost"])
async def test_the_certificate_is_verified(identity: Identity, host: str) -> None:
    async with listening(identity, Recorders()) as listener:
        port = listener.address[1]
        connection = await dial(host, port, factory=Recorders(), ca=identity[0])
        connection.close(0)
        await connection.wait_closed()
        with pytest.raises(ConnectFailed, match="was not accepted"):
            await dial(host, port, factory=Recorders())
        with pytest.raises(ConnectFailed, match="was not accepted"):
            await dial(host, port, factory=Recorders(), ca=identity[0], server_name="example.org")
        connection = await dial(host, port, factory=Recorders(), insecure=True, server_name="example.org")
        connection.close(0)
        await connection.wait_closed()


async def test_ipv6(identity: Identity) -> None:
    certificate, key = identity
    server = Recorders(echo=True)
    listener = await listen("::", 0, certificate=certificate, private_key=key, factory=server)
    for number, (host, shown) in enumerate((("::1", "[::1]:"), (HOST, f"{HOST}:"))):
        client = Recorders()
        connection = await dial(host, listener.address[1], factory=client, ca=certificate)
        connection.send(b"six")
        await until(lambda client=client: client[0].data == b"six")
        assert server[number].connection.peer.startswith(shown)
        assert connection.peer.startswith(shown)
        connection.close(0)
        await connection.wait_closed()
    await listener.close()


async def test_dialing_in_vain(identity: Identity, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind((HOST, 0))
        port = deaf.getsockname()[1]
        with pytest.raises(ConnectFailed, match=rf"no answer from {HOST}:{port}"):
            await dial(HOST, port, factory=Recorders(), insecure=True, timeout=0.2)
    with pytest.raises(ConnectFailed, match="nothing listens"):
        await dial(HOST, port, factory=Recorders(), insecure=True)
    with pytest.raises(ConnectFailed, match="not a port number"):
        await dial(HOST, 65536, factory=Recorders())
    with pytest.raises(ConnectFailed, match=r"no\.such\.host.*unknown"):
        await dial("no.such.host.invalid", 1, factory=Recorders())
    with pytest.raises(ConnectFailed, match="CA file"):
        await dial(HOST, port, factory=Recorders(), ca=tmp_path / "none.pem")
    async with listening(identity, Recorders()) as listener:
        listener.stop_accepting()
        with pytest.raises(ConnectFailed, match="shutting down"):
            await dial(*listener.address, factory=Recorders(), insecure=True)


async def test_dialing_a_server_of_another_protocol(identity: Identity) -> None:
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    configuration.load_cert_chain(*identity)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    server = await serve(HOST, port, configuration=configuration)
    with pytest.raises(ConnectFailed, match="does not speak 'gatesvr'"):
        await dial(HOST, port, factory=Recorders(), insecure=True)
    server.close()
    await asyncio.sleep(0)


async def test_a_local_address_can_be_chosen(identity: Identity) -> None:
    server = Recorders()
    async with listening(identity, server) as listener:
        connection = await dial(*listener.address, factory=Recorders(), insecure=True, local_addr=("127.0.0.2", 0))
        assert (await server.first()).connection.peer.startswith("127.0.0.2:")
        connection.close(0)
        await connection.wait_closed()


async def test_a_cancelled_dial_leaves_nothing(identity: Identity) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind((HOST, 0))
        task = asyncio.ensure_future(dial(*deaf.getsockname(), factory=Recorders(), insecure=True))
        await until(lambda: readable(deaf))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def readable(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return bool(sock.recv(65536))
    except BlockingIOError:
        return False
