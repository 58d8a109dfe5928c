"""Faults of certificates, as the installed aioquic and the libraries behind it raise them."""

from __future__ import annotations

import datetime
from typing import NamedTuple

import pytest
from aioquic.quic.connection import QuicConnectionError
from aioquic.tls import Alert, verify_certificate
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from quicgw_fast.transport.aioquic.distrust import finding_of
from quicgw_fast.transport.problems import Problem, explain
from quicgw_fast.transport.termination import Finding, Termination

Dates = tuple[datetime.datetime, datetime.datetime]
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
VALID, PAST, FUTURE = (NOW - DAY, NOW + DAY), (NOW - 3 * DAY, NOW - 2 * DAY), (NOW + 2 * DAY, NOW + 3 * DAY)
KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
ROOT, ISSUER, HOST = range(3)


class Validity(NamedTuple):
    """When each certificate of a chain is valid."""

    root: Dates = VALID
    issuer: Dates = VALID
    host: Dates = VALID


def certificate(which: int, by: int, valid: Dates, *names: str) -> x509.Certificate:
    def name(number: int) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"number {number}")])

    builder = (
        x509.CertificateBuilder(name(by), name(which), KEYS[which].public_key(), x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.BasicConstraints(ca=which != HOST, path_length=None), critical=True)
    )
    if names:
        found = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        builder = builder.add_extension(found, critical=False)
    return builder.sign(KEYS[by], SHA256())


def refused(
    certificate: x509.Certificate, chain: list[x509.Certificate], trusted: x509.Certificate, name: str = "here.example"
) -> QuicConnectionError:
    """What aioquic ends a handshake with; it looks at the certificate in the same words in its TLS."""
    with pytest.raises(QuicConnectionError) as caught:
        try:
            verify_certificate(certificate, chain, name, trusted.public_bytes(Encoding.PEM))
        except Alert as alert:
            raise QuicConnectionError(0x100 + alert.description, 6, str(alert)) from alert
    return caught.value


@pytest.mark.parametrize(
    ("validity", "finding"),
    [
        (Validity(host=PAST), Finding.EXPIRED),
        (Validity(host=FUTURE), Finding.NOT_YET_VALID),
        (Validity(issuer=PAST), Finding.EXPIRED),
        (Validity(issuer=FUTURE), Finding.NOT_YET_VALID),
        (Validity(root=PAST), Finding.EXPIRED),
    ],
    ids=["expired", "not yet valid", "expired issuer", "issuer not yet valid", "expired root"],
)
def test_when_each_certificate_of_a_chain_is_valid(validity: Validity, finding: Finding) -> None:
    root, issuer = certificate(ROOT, ROOT, validity.root), certificate(ISSUER, ROOT, validity.issuer)
    host = certificate(HOST, ISSUER, validity.host, "here.example")
    assert finding_of(refused(host, [issuer], root), host)[0] is finding


def test_nobody_who_is_trusted_vouches() -> None:
    root, other = certificate(ROOT, ROOT, VALID), certificate(ISSUER, ISSUER, VALID)
    host, alone = certificate(HOST, ROOT, VALID, "here.example"), certificate(HOST, HOST, VALID, "here.example")
    for shown, chain in ((host, []), (host, [root]), (alone, [])):
        assert finding_of(refused(shown, chain, other), shown)[0] is Finding.UNKNOWN_AUTHORITY


def test_the_names_of_a_certificate_for_somebody_else_are_said() -> None:
    root = certificate(ROOT, ROOT, VALID)
    host = certificate(HOST, ROOT, VALID, "a.example", "b.example")
    for name in ("here.example", "192.0.2.1"):
        found = finding_of(refused(host, [], root, name), host)
        assert found == (Finding.ANOTHER_NAME, "but for a.example, b.example")


def test_what_is_none_of_these_is_said_in_the_words_of_the_library() -> None:
    root = certificate(ROOT, ROOT, VALID)
    nameless = certificate(HOST, ROOT, VALID)
    finding, reason = finding_of(refused(nameless, [], root), nameless)
    assert finding is None
    assert "subjectAltName" in reason
    problem, told = explain(Termination(0x12A, 6, reason, False, finding), "there:1", "here.example", ["one"])
    assert problem is Problem.BAD_CERTIFICATE
    assert told.startswith("the certificate of there:1 was not accepted (")


def test_an_issuer_that_may_not_issue_is_a_bad_certificate() -> None:
    """OpenSSL has some hundred codes; those that say nothing about dates or trust are told as they are."""
    root = certificate(ROOT, ROOT, VALID)
    middle = certificate(HOST, ROOT, VALID, "middle.example")  # not an authority
    host = (
        x509.CertificateBuilder(middle.subject, x509.Name([]), KEYS[ISSUER].public_key(), x509.random_serial_number())
        .not_valid_before(VALID[0])
        .not_valid_after(VALID[1])
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("here.example")]), critical=False)
        .sign(KEYS[HOST], SHA256())
    )
    finding, reason = finding_of(refused(host, [middle], root), host)
    assert finding is None
    assert reason
