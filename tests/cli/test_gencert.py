from __future__ import annotations

import json
import stat
import tomllib
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.cli.process import Gateway, assert_one_sentence, in_process, quicgw
from tests.support.authority import Authority

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def names_of(path: Path) -> list[str]:
    found = read(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in found]


def test_a_gateway_and_its_clients_use_what_was_made(tmp_path: Path) -> None:
    done = quicgw("gencert", "--out", str(tmp_path / "tls"))
    assert done.returncode == 0, done.stderr
    made = tmp_path / "tls"
    assert done.stdout.splitlines() == [str(made / name) for name in ("ca.pem", "ca.key", "server.pem", "server.key")]
    needed = tomllib.loads(done.stderr.partition("needs:\n")[2])
    assert needed == {"tls": {"cert": f"{made}/server.pem", "key": f"{made}/server.key"}}
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in made.glob("*.key")} == {
        "ca.key": 0o600,
        "server.key": 0o600,
    }
    config = tmp_path / "gateway.toml"
    config.write_text('[tls]\ncert = "tls/server.pem"\nkey = "tls/server.key"\n')
    with Gateway("dev", "--config", str(config)) as gateway:
        for server in (gateway.quic, gateway.quic.replace("127.0.0.1", "localhost")):
            asked = quicgw("call", "echo", "-d", "hi", "--server", server, "--ca", str(made / "ca.pem"))
            assert asked.returncode == 0, asked.stderr
        other = tmp_path / "other"
        assert quicgw("gencert", "--out", str(other)).returncode == 0
        asked = quicgw("call", "echo", "--server", gateway.quic, "--ca", str(other / "ca.pem"))
        assert asked.returncode == 3


def test_an_authority_that_is_there_signs(tmp_path: Path) -> None:
    assert in_process("gencert", "--out", str(tmp_path), "--days", "30").returncode == 0
    ca = tmp_path / "ca.pem"
    again = ["gencert", "--ca", str(ca), "--out", str(tmp_path / "b"), "--name", "GW.example", "--name", "127.1.2.3"]
    done = in_process(*again, "--json")
    told = json.loads(done.stdout)
    assert told["version"] == 1
    assert (told["ca"], told["names"]) == (str(ca), ["gw.example", "127.1.2.3"])
    assert list(told["files"]) == ["server.pem", "server.key"]
    server = read(tmp_path / "b" / "server.pem")
    server.verify_directly_issued_by(read(ca))
    assert names_of(tmp_path / "b" / "server.pem") == ["gw.example", "127.1.2.3"]
    assert server.not_valid_after_utc <= read(ca).not_valid_after_utc, "never longer than who signs"


def test_a_client_for_mutual_tls(tmp_path: Path) -> None:
    in_process("gencert", "--out", str(tmp_path))
    done = in_process("gencert", "--client", "billing", "--ca", str(tmp_path / "ca.pem"), "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    needed = tomllib.loads(done.stderr.partition("needs:\n")[2])
    assert needed == {"control": {"client_ca": f"{tmp_path}/ca.pem"}}
    usage = read(tmp_path / "billing.pem").extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    config = tmp_path / "gateway.toml"
    config.write_text('control.cert = "server.pem"\ncontrol.key = "server.key"\ncontrol.client_ca = "ca.pem"\n')
    config.write_text(config.read_text() + '[tls]\ncert = "server.pem"\nkey = "server.key"\n')
    with Gateway("serve", "--config", str(config)) as gateway:
        push = ["push", "broadcast", "--gateway", gateway.grpc, "--ca", str(tmp_path / "ca.pem")]
        shown = ["--cert", str(tmp_path / "billing.pem"), "--key", str(tmp_path / "billing.key")]
        assert quicgw(*push, *shown).returncode == 0
        assert quicgw(*push).returncode == 3


def test_nothing_is_overwritten_unless_told(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path)]
    assert in_process("gencert", *out).returncode == 0
    before = (tmp_path / "server.pem").read_bytes()
    assert_one_sentence(in_process("gencert", *out), "already there", "--force", f"--ca {tmp_path}/ca.pem")
    assert (tmp_path / "server.pem").read_bytes() == before
    (tmp_path / "server.key").chmod(0o644)
    assert in_process("gencert", *out, "--force").returncode == 0
    assert (tmp_path / "server.pem").read_bytes() != before
    assert stat.S_IMODE((tmp_path / "server.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--name", "two words"], "no host name"),
        (["--name", "-a.example"], "no host name"),
        (["--days", "0"], "--days"),
        (["--ca-key", "x.key"], "needs --ca"),
        (["--client", "../evil"], "letters, digits"),
        (["--client", "a", "--name", "b"], "for servers"),
    ],
)
def test_what_is_no_use_is_a_mistake_of_usage(arguments: list[str], hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = in_process("gencert", *arguments)
    assert done.returncode == 2
    assert hint in done.stderr


def test_who_cannot_sign(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert_one_sentence(in_process("gencert", "--ca", str(tmp_path / "no.pem"), *out), "no.pem", "--ca")
    files = Authority("somebody").server_files(tmp_path)
    given = ["--ca", str(files["cert"]), "--ca-key", str(files["key"])]
    assert_one_sentence(in_process("gencert", *given, *out), "none of an authority", "without --ca")
    assert in_process("gencert", "--out", str(tmp_path / "one")).returncode == 0
    mixed = ["--ca", str(tmp_path / "one" / "ca.pem"), "--ca-key", str(tmp_path / "one" / "server.key")]
    assert_one_sentence(in_process("gencert", *mixed, *out), "does not belong")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_one_sentence(in_process("gencert", "--out", str(tmp_path / "file" / "x")), "cannot write", "--out")


@pytest.mark.parametrize(("name", "whose"), [("ca", "authority"), ("CA", "authority"), ("server", "server")])
def test_a_client_is_not_called_as_the_others_files_are(tmp_path: Path, name: str, whose: str) -> None:
    done = in_process("gencert", "--client", name, "--out", str(tmp_path / "made"), "--force")
    assert done.returncode == 2
    assert f"{name} names the files of the {whose}" in done.stderr
    assert not (tmp_path / "made").exists()


def test_the_authority_that_signs_is_never_replaced(tmp_path: Path) -> None:
    assert in_process("gencert", "--out", str(tmp_path)).returncode == 0
    for suffix in ("pem", "key"):
        (tmp_path / f"ca.{suffix}").rename(tmp_path / f"bob.{suffix}")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    signs = ("--ca", str(tmp_path / "bob.pem"), "--out", str(tmp_path), "--force")
    done = in_process("gencert", "--client", "bob", *signs)
    assert done.returncode == 3
    assert "bob.pem is a file of the authority that signs; give another folder with --out" in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_by_force_all_is_new_or_nothing(tmp_path: Path) -> None:
    assert in_process("gencert", "--out", str(tmp_path)).returncode == 0
    (tmp_path / "server.key").unlink()
    (tmp_path / "server.key").mkdir()
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.*") if path.is_file()}
    done = in_process("gencert", "--out", str(tmp_path), "--force")
    assert done.returncode == 3
    assert "server.key: it is a folder" in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("name", ["999.1.1.1", "1.2.3", "127.0.0.1.", "7"])
def test_an_address_with_a_slip_is_no_host_name(name: str) -> None:
    done = in_process("gencert", "--name", name)
    assert done.returncode == 2
    assert "is no host name and no address" in done.stderr
