from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.demo.embedded import Certificate, load_for_development, reachable

if TYPE_CHECKING:
    from pathlib import Path


def quic(path: Path | None = None, **flags: str) -> str:
    return load_for_development(path, {"server": flags}).server.quic


def test_without_a_choice_only_this_machine_is_let_in(tmp_path: Path) -> None:
    file = tmp_path / "dev.toml"
    file.write_text('[server]\ngrpc = "127.0.0.1:1"\n')
    assert quic() == quic(grpc="127.0.0.1:0") == quic(file) == "127.0.0.1:8443"


def test_a_choice_counts_wherever_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert quic(quic="127.0.0.2:0") == "127.0.0.2:0"
    file = tmp_path / "dev.toml"
    file.write_text('[server]\nquic = "127.0.0.1:1"\n')
    assert quic(file) == "127.0.0.1:1"
    monkeypatch.setenv("QUICGW_SERVER__QUIC", "[::1]:8443")
    assert quic() == quic(file) == "[::1]:8443"


@pytest.mark.parametrize(
    ("address", "reached"),
    [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("127.0.0.1:80", "127.0.0.1:80")],
)
def test_an_address_to_listen_on_becomes_one_to_connect_to(address: str, reached: str) -> None:
    assert reachable(address) == reached


def test_a_certificate_is_gone_afterwards_and_its_key_was_never_there() -> None:
    with Certificate() as certificate:
        assert b"PRIVATE KEY" in certificate.key
        assert [path.name for path in certificate.path.parent.iterdir()] == ["dev-cert.pem"]
        assert b"PRIVATE KEY" not in certificate.path.read_bytes()
        certificate.remove()
        certificate.remove()
    assert not certificate.path.parent.exists()
    with Certificate() as certificate:
        assert certificate.path.exists()
    assert not certificate.path.parent.exists()
