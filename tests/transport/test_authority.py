from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from quicgw_fast.errors import StartupError
from quicgw_fast.transport import development_certificate
from quicgw_fast.transport.authority import OwnAuthority
from quicgw_fast.transport.certificates import load_identity

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.transport.authority import IssuedPair

NOW = datetime.datetime.now(datetime.UTC)


def write(folder: Path, pair: IssuedPair) -> tuple[Path, Path]:
    cert, key = folder / "x.pem", folder / "x.key"
    cert.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    key.chmod(0o600)
    return cert, key


def test_what_it_signs_is_believed_by_whoever_believes_it(tmp_path: Path) -> None:
    """Judged by rules that are stricter than those of most clients (RFC 5280, the Web's)."""
    authority, own = OwnAuthority.make(400)
    issued = authority.issue("gateway", ["gateway.example", "127.0.0.1"], 30, client=False)
    root = x509.load_pem_x509_certificate(own.certificate)
    leaf = x509.load_pem_x509_certificate(issued.certificate)
    verifier = PolicyBuilder().store(Store([root])).build_server_verifier(x509.DNSName("gateway.example"))
    assert verifier.verify(leaf, [])[0] == leaf
    load_identity(*write(tmp_path, issued))


def test_one_that_was_written_signs_again_and_never_beyond_its_own_end(tmp_path: Path) -> None:
    _, own = OwnAuthority.make(10)
    authority = OwnAuthority.load(*write(tmp_path, own), NOW)
    issued = authority.issue("alice", ["alice"], 300, client=True)
    assert issued.not_after == own.not_after
    leaf = x509.load_pem_x509_certificate(issued.certificate)
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(own.certificate))


def test_who_may_not_sign(tmp_path: Path) -> None:
    authority, own = OwnAuthority.make(10)
    server = authority.issue("server", ["localhost"], 10, client=False)
    with pytest.raises(StartupError, match="none of an authority"):
        OwnAuthority.load(*write(tmp_path, server), NOW)
    with pytest.raises(StartupError, match="expired on"):
        OwnAuthority.load(*write(tmp_path, own), NOW + datetime.timedelta(days=11))
    OwnAuthority.load(*development_certificate(tmp_path / "dev"), NOW)  # is its own authority
