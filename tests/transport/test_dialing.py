"""A dial that fails says what the cause is, to people and to programs, and what can be done about it."""

from __future__ import annotations

import asyncio
import datetime
import socket
from typing import TYPE_CHECKING, Any

import pytest
from aioquic.buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import pull_quic_header
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import ConnectFailed, Problem
from quicgw_fast.transport.problems import explain
from quicgw_fast.transport.termination import Finding, Termination
from tests.support.gatekeeper import gatekeeper

from .helpers import HOST, Recorders, dial, listening

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("maker")

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)


def certificate(folder: Path, begins: datetime.datetime, ends: datetime.datetime, name: str) -> tuple[Path, Path]:
    """Make a certificate that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


async def failure(host: str, port: int, **options: Any) -> ConnectFailed:
    with pytest.raises(ConnectFailed) as caught:
        await dial(host, port, factory=Recorders(), **options)
    return caught.value


@pytest.mark.parametrize(
    ("begins", "ends", "name", "trusted", "problem", "remedy"),
    [
        (NOW - 2 * DAY, NOW - DAY, "localhost", True, Problem.CERTIFICATE_EXPIRED, "expired; the gateway needs a new"),
        (NOW + DAY, NOW + 2 * DAY, "localhost", True, Problem.CERTIFICATE_NOT_YET_VALID, "compare the clocks"),
        (NOW - DAY, NOW + DAY, "elsewhere.example", True, Problem.WRONG_NAME, "elsewhere.example"),
        (NOW - DAY, NOW + DAY, "localhost", False, Problem.UNKNOWN_AUTHORITY, "give its authority as CA"),
    ],
    ids=["expired", "not yet valid", "wrong name", "unknown authority"],
)
async def test_each_fault_of_a_certificate_is_told_apart(
    tmp_path: Path,
    begins: datetime.datetime,
    ends: datetime.datetime,
    name: str,
    trusted: bool,
    problem: Problem,
    remedy: str,
) -> None:
    identity = certificate(tmp_path, begins, ends, name)
    async with listening(identity, Recorders()) as listener:
        options = {"ca": identity[0]} if trusted else {}
        failed = await failure(HOST, listener.address[1], server_name="localhost", **options)
    assert failed.problem is problem, failed
    assert remedy in str(failed)
    assert "Pattern" not in str(failed)
    assert f"the certificate of {HOST}:{listener.address[1]} was not accepted" in str(failed)


async def test_a_wrong_ip_address_is_a_wrong_name(tmp_path: Path) -> None:
    identity = certificate(tmp_path, NOW - DAY, NOW + DAY, "localhost")
    async with listening(identity, Recorders()) as listener:
        failed = await failure(HOST, listener.address[1], ca=identity[0])
    assert failed.problem is Problem.WRONG_NAME, failed
    assert "Pattern" not in str(failed)
    assert f"it is not for {HOST!r}" in str(failed)


async def test_a_full_gateway_is_there(identity: tuple[Path, Path]) -> None:
    """It completes some handshakes only to say so; to the rest it says so in the first packet."""
    gate = gatekeeper(max_connections=1, turning_away=(1e-6, 1))
    async with listening(identity, Recorders(), gatekeeper=gate) as listener:
        first = await dial(*listener.address, factory=Recorders(), insecure=True)
        told = Recorders()
        second = await dial(*listener.address, factory=told, insecure=True)
        code, reason, by_peer = await told[0].end()
        assert (code, by_peer) == (CloseCode.OVERLOADED, True)
        assert reason.startswith("OVERLOADED: the gateway is full")
        failed = await failure(*listener.address, insecure=True)
        await second.wait_closed()
        first.close(0)
        await first.wait_closed()
    assert failed.problem is Problem.FULL
    assert "is full and takes no more connections for now" in str(failed)
    assert "try again later" in str(failed)


@pytest.mark.parametrize(
    ("code", "frame_type", "reason", "problem"),
    [
        (0x2, 0, "", Problem.FULL),
        (0x2, 0, "OVERLOADED: 50000 connections", Problem.FULL),
        (0x2, 0, "DRAINING: shutting down", Problem.DRAINING),
        (CloseCode.OVERLOADED, None, "OVERLOADED: full", Problem.FULL),
        (CloseCode.DRAINING, None, "", Problem.DRAINING),
        (0x178, 0, "", Problem.WRONG_PROTOCOL),
        (0x1, 0, "boom\n", Problem.OTHER),
    ],
)
def test_what_a_server_says_while_it_refuses(code: int, frame_type: int | None, reason: str, problem: Problem) -> None:
    found, text = explain(Termination(code, frame_type, reason, True), "127.0.0.1:1", "localhost", ["gatesvr"])
    assert found is problem
    assert text.isprintable()


def test_a_server_that_is_not_heard_any_more_gives_no_answer() -> None:
    ended = Termination(1, 0, "whatever its maker says", False, Finding.NOTHING_HEARD)
    problem, told = explain(ended, "127.0.0.1:1", "localhost", ["gatesvr"])
    assert problem is Problem.NO_ANSWER
    assert "no answer from 127.0.0.1:1" in told


async def test_nobody_there(identity: tuple[Path, Path]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind((HOST, 0))
        port = deaf.getsockname()[1]
        silent = await failure(HOST, port, insecure=True, timeout=0.2)
    assert silent.problem is Problem.NO_ANSWER
    assert "firewall" in str(silent)
    refused = await failure(HOST, port, insecure=True)
    assert refused.problem is Problem.NOTHING_LISTENS
    assert "is the gateway running" in str(refused)
    unknown = await failure("no.such.host.invalid", port)
    assert unknown.problem is Problem.UNKNOWN_HOST
    assert "check its name" in str(unknown)


async def test_the_address_where_somebody_answered_says_what_is_wrong(
    identity: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A host with two addresses: a name server of our own cannot be had, so the answer of the resolver is given.
    from quicgw_fast.transport import dialing
    from quicgw_fast.transport.sockets import Target

    async with listening(identity, Recorders()) as listener:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
            closed.bind((HOST, 0))
            dead = Target(socket.AF_INET, closed.getsockname())

        async def both(host: str, port: int) -> list[Target]:
            return [Target(socket.AF_INET, listener.address), dead]

        monkeypatch.setattr(dialing, "resolve", both)
        failed = await failure("gateway.example", 1, ca=identity[0])
    assert failed.problem is Problem.WRONG_NAME


async def test_a_ca_file_is_named_and_never_printed_whole(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 200) / ("y" * 100)
    failed = await failure(HOST, 1, ca=long)
    assert failed.problem is Problem.BAD_CA_FILE
    assert "No such file" in str(failed)
    assert "y" * 100 not in str(failed)


async def test_a_local_address_that_is_taken(identity: tuple[Path, Path]) -> None:
    async with listening(identity, Recorders()) as listener:
        failed = await failure(*listener.address, insecure=True, local_addr=listener.address)
    assert failed.problem is Problem.OTHER
    assert "Address already in use" in str(failed)


async def test_a_name_service_that_does_not_answer_in_time() -> None:
    failed = await failure("localhost", 1, insecure=True, timeout=0.0)
    assert failed.problem is Problem.UNKNOWN_HOST
    assert "could not be resolved in time" in str(failed)


async def test_somebody_who_answers_and_falls_silent(identity: tuple[Path, Path]) -> None:
    """Only the first packet of the server's first datagram arrives: it is there, so no firewall is to blame."""
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["gatesvr"])
    configuration.load_cert_chain(*identity)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as halfway:
        halfway.bind((HOST, 0))
        halfway.setblocking(False)
        dialing = asyncio.ensure_future(failure(*halfway.getsockname(), insecure=True, timeout=0.3))
        data, address = await loop.sock_recvfrom(halfway, 2048)
        wanted = pull_quic_header(Buffer(data=data)).destination_cid
        server = QuicConnection(configuration=configuration, original_destination_connection_id=wanted)
        server.receive_datagram(data, address, now=0.0)
        answer = server.datagrams_to_send(now=0.0)[0][0]
        halfway.sendto(answer[: pull_quic_header(Buffer(data=answer)).packet_length], address)
        failed = await dialing
    assert failed.problem is Problem.OTHER
    assert "answered, but then: INTERNAL: the handshake took too long" in str(failed)
