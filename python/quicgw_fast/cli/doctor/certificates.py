"""The certificates: those of clients' and of services' connections."""

from __future__ import annotations

import datetime
import stat
from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.x509 import ExtensionNotFound, IPAddress, SubjectAlternativeName
from cryptography.x509.oid import NameOID

from quicgw_fast.cli.doctor.result import CheckResult, fine, problem, refused, warning
from quicgw_fast.errors import StartupError
from quicgw_fast.transport.certificates import Identity, load_identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography.x509 import Certificate

    from quicgw_fast.config import Config

SOON = 21
"""Days: who renews automatically does it a month before."""
MADE = "quicgw gencert --out certs"


def certificates(config: Config, *, written: bool, now: datetime.datetime) -> Iterator[CheckResult]:
    """Look at ``[tls]`` and at that of ``[control]``; ``written`` is whether there is a configuration at all."""
    tls, control = config.tls, config.control
    if tls.cert is None or tls.key is None:
        yield _missing("certificate", written=written, half=tls.cert is not None or tls.key is not None)
    else:
        yield from certificate("certificate", tls.cert, tls.key, now)
    if control.cert is not None and control.key is not None:
        yield from certificate("gRPC certificate", control.cert, control.key, now)


def certificate(check: str, cert: Path, key: Path, now: datetime.datetime) -> Iterator[CheckResult]:
    """Look at one pair of files as a start does, and further: days, chain, names, who can read the key."""
    try:
        identity = load_identity(cert, key)
    except StartupError as error:
        yield refused(check, error)
        return
    yield _days(check, identity.certificate, now)
    yield from _chain(check, cert, identity)
    names = _names(identity.certificate)
    if not names:
        yield problem(check, f"{cert} names nobody (subjectAltName): no client believes it", f"{MADE} --name HOST")
    elif identity.certificate.issuer == identity.certificate.subject:
        told = f"self-signed, for {', '.join(names)}: only who is given it as authority believes it"
        yield warning(check, told, f"one by an authority that clients know, or hand out {cert} (connect(ca=…), --ca)")
    else:
        yield fine(check, f"for {', '.join(names)}, by {_issuer(identity.certificate)}; the key belongs to it")
    yield from _readable(check, key)


def _missing(check: str, *, written: bool, half: bool) -> CheckResult:
    remedy = f"set tls.cert and tls.key; for tests: {MADE}"
    if written or half:
        return problem(check, "tls.cert and tls.key are not both set: quicgw serve does not start", remedy)
    return warning(check, "no configuration was given; quicgw dev makes its own, quicgw serve needs one", remedy)


def _days(check: str, found: Certificate, now: datetime.datetime) -> CheckResult:
    ends, begins = found.not_valid_after_utc, found.not_valid_before_utc
    days = (ends - now) / datetime.timedelta(days=1)
    if now < begins:
        return problem(check, f"not valid before {begins:%Y-%m-%d %H:%M} UTC", "check the clock")
    if days <= 0:
        return problem(check, f"expired on {ends:%Y-%m-%d %H:%M} UTC: no client connects", _renew())
    if days < SOON:
        return warning(check, f"expires in {days:.0f} days, on {ends:%Y-%m-%d}", _renew())
    return fine(check, f"valid for {days:.0f} days, until {ends:%Y-%m-%d}")


def _renew() -> str:
    return f"renew it; a running gateway takes it by itself or by quicgw reload. For tests: {MADE} --force"


def _chain(check: str, path: Path, identity: Identity) -> Iterator[CheckResult]:
    links = [identity.certificate, *identity.chain]
    for number, (one, issuer) in enumerate(pairwise(links), 1):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            told = f"certificate {number + 1} in {path} did not issue certificate {number}: clients find no way up"
            yield problem(check, told, "put the server's first, then who issued it, and so on: cat server.pem ca.pem")
            return


def _names(found: Certificate) -> list[str]:
    try:
        names = found.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return []
    return [str(name.value) for name in names if isinstance(name, IPAddress) or isinstance(name.value, str)]


def _issuer(found: Certificate) -> str:
    common = found.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else found.issuer.rfc4514_string()


def _readable(check: str, key: Path) -> Iterator[CheckResult]:
    mode = key.stat().st_mode
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        yield warning(check, f"everybody on this machine can read or write {key}", f"chmod 600 {key}")
