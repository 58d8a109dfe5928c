"""Each check, on the real fault that it is for."""

from __future__ import annotations

import asyncio
import datetime
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from quicgw_fast import config as configs
from quicgw_fast.cli.doctor.buffers import udp_buffers
from quicgw_fast.cli.doctor.certificates import certificate, certificates
from quicgw_fast.cli.doctor.clocks import clock, kept_in_step
from quicgw_fast.cli.doctor.holders import holder
from quicgw_fast.cli.doctor.ports import ports
from quicgw_fast.cli.doctor.resources import memory, open_files
from quicgw_fast.cli.doctor.secrets import access, login, offline_store
from quicgw_fast.cli.doctor.upstreams import upstreams
from quicgw_fast.cli.doctor.versions import packages, parts
from tests.support.authority import Authority
from tests.support.raw_upstream import RawUpstream

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from quicgw_fast.cli.doctor.result import CheckResult

NOW = datetime.datetime.now(datetime.UTC)
LARGEST = (1 << 31) - 1


def levels(findings: Iterable[CheckResult]) -> list[str]:
    return [finding.level.value for finding in findings]


def worst(findings: Iterable[CheckResult]) -> CheckResult:
    """The worst one; whatever is not fine says what to do."""
    found = list(findings)
    assert all(finding.remedy for finding in found if finding.level != "ok")
    return max(found, key=lambda finding: ["ok", "warning", "problem"].index(finding.level))


def config(**tables: dict[str, object]) -> configs.Config:
    return configs.read(overrides=tables)


def test_buffers_that_the_kernel_does_not_give() -> None:
    assert levels(udp_buffers(4096)) == ["ok"]
    found = list(udp_buffers(LARGEST))
    assert levels(found) == ["warning", "warning"]
    assert f"sysctl -w net.core.rmem_max={LARGEST}" in found[0].remedy
    assert f"net.core.wmem_max={LARGEST}" in found[1].remedy


def test_too_few_open_files_for_the_workers() -> None:
    assert levels(open_files(config(), 20_000)) == ["ok"]
    assert levels(open_files(config(), None)) == ["ok"]
    found = worst(open_files(config(processor={"max_workers": 2000}), 1024))
    assert "4512 needed by 2000 workers" in found.found
    assert "LimitNOFILE" in found.remedy


def test_more_memory_than_there_is() -> None:
    assert levels(memory(config(), 8 << 30, 64 << 30)) == ["ok"]
    assert levels(memory(config(), None, None)) == ["ok"]
    found = worst(memory(config(), 512 << 20, 64 << 30))
    assert "the control group has 512MiB" in found.found
    assert "session.memory" in found.remedy
    assert "the machine has 256MiB" in worst(memory(config(), None, 256 << 20)).found


def test_a_clock_that_jumps_is_behind_or_is_kept_by_nobody() -> None:
    def jumping(moments: list[float]) -> float:
        return moments.pop(0) if len(moments) > 1 else moments[0]

    steady = {"monotonic": lambda: 0.0, "wall": lambda: 2e9}
    assert levels(clock(1e9, **steady, synchronised=lambda: True)) == ["ok"]
    assert levels(clock(1e9, **steady, synchronised=lambda: None)) == ["ok"]
    assert "NTP" in worst(clock(1e9, **steady, synchronised=lambda: False)).remedy
    steps = [2e9, 2e9 + 100]
    found = worst(clock(1e9, wall=lambda: jumping(steps), monotonic=lambda: 0.0))
    assert "jumped by +100.0 s" in found.found
    assert worst(clock(1e9, wall=lambda: 0.0)).level == "problem"
    assert kept_in_step() in {True, False, None}


def made(
    folder: Path, *, days: float, names: tuple[str, ...] = ("localhost",), begins: float = -1
) -> tuple[Path, Path]:
    """A certificate that ends in so many days, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + datetime.timedelta(days=min(-1.0, days - 1)))
        .not_valid_after(NOW + datetime.timedelta(days=days))
    )
    if names:
        built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    paths[1].write_bytes(private)
    paths[1].chmod(0o600)
    return paths


@pytest.mark.parametrize(
    ("days", "level", "said"),
    [
        (-1.0, "problem", "expired on"),
        (5.0, "warning", "expires in 5 days"),
        (400.0, "warning", "self-signed"),
    ],
)
def test_the_days_of_a_certificate(tmp_path: Path, days: float, level: str, said: str) -> None:
    found = list(certificate("certificate", *made(tmp_path, days=days), NOW))
    assert worst(found).level == level
    assert any(said in finding.found for finding in found)


def test_a_certificate_that_is_not_valid_yet(tmp_path: Path) -> None:
    paths = made(tmp_path, days=9)
    found = worst(certificate("certificate", *paths, NOW - datetime.timedelta(days=30)))
    assert (found.level, "not valid before" in found.found) == ("problem", True)


def test_a_certificate_for_nobody(tmp_path: Path) -> None:
    found = worst(certificate("certificate", *made(tmp_path, days=90, names=()), NOW))
    assert (found.level, "names nobody" in found.found) == ("problem", True)


def test_a_certificate_of_an_authority_and_a_chain_in_the_wrong_order(tmp_path: Path) -> None:
    authority = Authority("here")
    files = authority.server_files(tmp_path)
    assert levels(certificate("certificate", files["cert"], files["key"], NOW)) == ["ok", "ok"]
    good = files["cert"].read_bytes()
    files["cert"].write_bytes(good + authority.pem)
    assert levels(certificate("certificate", files["cert"], files["key"], NOW)) == ["ok", "ok"]
    files["cert"].write_bytes(good + Authority("another").pem)
    found = worst(certificate("certificate", files["cert"], files["key"], NOW))
    assert "certificate 2" in found.found
    assert "cat server.pem ca.pem" in found.remedy


def test_a_key_that_everybody_can_read_or_that_is_of_another_certificate(tmp_path: Path) -> None:
    cert, key = made(tmp_path, days=90)
    key.chmod(0o644)
    assert f"chmod 600 {key}" in [finding.remedy for finding in certificate("certificate", cert, key, NOW)]
    other = tmp_path / "other"
    other.mkdir()
    found = worst(certificate("certificate", cert, made(other, days=90)[1], NOW))
    assert found.level == "problem"
    assert "does not belong" in found.found
    assert found.remedy == "give the pair that was made together"


def test_without_a_certificate() -> None:
    assert levels(certificates(config(), written=False, now=NOW)) == ["warning"]
    assert levels(certificates(config(), written=True, now=NOW)) == ["problem"]


def test_the_certificate_of_the_grpc_port_is_looked_at_as_well(tmp_path: Path) -> None:
    cert, key = made(tmp_path, days=-3)
    files: dict[str, object] = {"cert": str(cert), "key": str(key)}
    found = list(certificates(config(tls=files, control=files), written=True, now=NOW))
    assert {finding.check for finding in found if finding.level == "problem"} == {"certificate", "gRPC certificate"}


def test_files_of_tokens(tmp_path: Path) -> None:
    assert levels(access(config())) == ["ok"]
    tokens = tmp_path / "tokens"
    settings = config(control={"admin_token_file": str(tokens)})
    assert "cannot read" in worst(access(settings)).found
    tokens.write_text("short\n")
    assert "a token at least" in str(worst(access(settings)))
    tokens.write_text("0123456789abcdef\n")
    tokens.chmod(0o644)
    assert worst(access(settings)).remedy == f"chmod 600 {tokens}"
    tokens.chmod(0o600)
    assert [finding.found for finding in access(settings)] == [
        "services need to show nothing, operators have to show who they are"
    ]


def test_keys_of_logins(tmp_path: Path) -> None:
    assert worst(login(config())).level == "warning"
    secret = tmp_path / "secret"
    settings = config(auth={"mode": "jwt", "key_file": str(secret), "algorithms": ["HS256"]})
    assert worst(login(settings)).level == "problem"
    secret.write_bytes(os.urandom(48))
    secret.chmod(0o604)
    assert worst(login(settings)).remedy == f"chmod 600 {secret}"
    secret.chmod(0o600)
    assert levels(login(settings)) == ["ok"]


def test_a_store_whose_folder_is_not_there(tmp_path: Path) -> None:
    assert levels(offline_store(config())) == []
    path = tmp_path / "missing" / "store.db"
    settings = config(offline={"store": "sqlite", "path": str(path)})
    assert worst(offline_store(settings)).remedy.startswith(f"mkdir -p {path.parent}")
    path.parent.mkdir()
    assert levels(offline_store(settings)) == ["ok"]


def test_ports_that_are_taken_and_by_whom() -> None:
    free = {"quic": "127.0.0.1:0", "grpc": "127.0.0.1:0", "admin": "127.0.0.1:0"}
    assert levels(ports(config(server=dict(free)))) == ["ok"] * 3
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        taken = {key: f"127.0.0.1:{sock.getsockname()[1]}" for key, sock in (("quic", udp), ("grpc", tcp))}
        found = list(ports(config(server={**free, **taken})))
        assert levels(found) == ["problem", "problem", "ok"]
        assert all(f"process {os.getpid()}" in finding.found for finding in found[:2])
        assert f"kill {os.getpid()}" in found[0].remedy
        assert "server.grpc" in found[1].remedy


def test_the_port_for_other_nodes() -> None:
    free = {"quic": "127.0.0.1:0", "grpc": "127.0.0.1:0", "admin": "127.0.0.1:0"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        *others, nodes = ports(config(server=dict(free), cluster={"url": "valkey://127.0.0.1:1", "listen": listen}))
    assert levels(others) == ["ok"] * 3
    assert nodes.level == "problem"
    assert nodes.found.startswith(f"cluster.listen {listen} (TCP) is taken by ")
    assert nodes.remedy.endswith("or set cluster.listen to another port")


def test_whose_port_it_is() -> None:
    taking = "s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)"
    program = f"import socket, sys; {taking}; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        found = holder("tcp", port)
        assert found is not None
        assert (found.pid, found.is_ours) == (other.pid, False)
        assert holder("udp", port) is None


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_services_that_are_not_there_or_speak_something_else() -> None:
    assert levels(upstreams(config())) == ["ok"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        addresses = [f"127.0.0.1:{closed_port()}", f"127.0.0.1:{silent.getsockname()[1]}"]
        found = list(upstreams(config(upstream={"hello": addresses}), timeout=1.0))
    assert levels(found) == ["problem", "problem", "warning"]
    assert "nothing listens there" in found[0].found
    assert "no answer" in found[1].found
    assert "upstream.business, upstream.zone" in found[2].remedy


async def test_a_service_that_is_there() -> None:
    async with RawUpstream() as service:
        settings = config(upstream={name: [service.address] for name in ("hello", "business", "zone")})
        found = await asyncio.to_thread(lambda: list(upstreams(settings)))
    assert "problem" not in levels(found)


async def test_a_service_that_is_called_over_tls(tmp_path: Path) -> None:
    ours, others = Authority("ours"), Authority("others")
    service = RawUpstream()
    await service.start("127.0.0.1:0", ours.service())
    try:
        for authority, expected in ((ours, "ok"), (others, "problem")):
            upstream = {"business": [service.address], "ca": str(authority.write(tmp_path))}
            found = await asyncio.to_thread(lambda settings: list(upstreams(settings)), config(upstream=upstream))
            assert found[0].level == expected, found
    finally:
        await service.stop()
    assert "upstream.ca" in found[0].remedy


def test_packages_outside_of_their_ranges() -> None:
    assert levels(packages()) == ["ok"]
    found = list(packages(["typer<0.1,>=0.0", "no-such-package>=1", 'rich>=1; extra == "server"']))
    assert levels(found) == ["warning", "problem", "ok"]
    assert found[0].remedy == "pip install 'typer<0.1,>=0.0'"
    assert "not installed" in found[1].found
    assert levels(packages([])) == ["warning", "ok"][:1]


def test_parts_that_were_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "problem" not in levels(parts(config()))
    monkeypatch.setitem(sys.modules, "quicgw_fast.transport.quinn", None)
    found = worst(parts(config(server={"transport": "quinn"})))
    assert found.level == "problem"
    assert "maturin" in found.remedy
