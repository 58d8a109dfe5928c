"""Why there is no connection: the cause, and a sentence with what can be done about it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode
from quicgw_fast.printable import printable
from quicgw_fast.transport.termination import CONNECTION_REFUSED, NO_APPLICATION_PROTOCOL, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quicgw_fast.transport.termination import Termination

CERTIFICATE_ALERTS = range(0x100 + 42, 0x100 + 50)
"""QUIC errors for the TLS alerts bad_certificate … access_denied (RFC 8446 §6)."""
REASON_LIMIT = 200
_AFTER = re.compile(r"\b(?:retry|reconnect)-after-ms[ =:]{1,2}([0-9]{1,9})\b")
_ACCEPTED = re.compile(r"\bmax-client-seq[ =]([0-9]{1,20})\b")
_TO = re.compile(r"\breconnect-to[ =]([^\s,;()]{1,261})")


class Problem(StrEnum):
    """What stood in the way of a connection."""

    UNKNOWN_HOST = "unknown_host"
    """The name has no address."""
    UNREACHABLE = "unreachable"
    """This machine has no way to the address."""
    NOTHING_LISTENS = "nothing_listens"
    """The host is there, and nothing has the UDP port."""
    NO_ANSWER = "no_answer"
    """Nothing came back: the host is down, or UDP is filtered on the way."""
    FULL = "full"
    """The gateway is there and takes no more connections for now."""
    DRAINING = "draining"
    """The gateway is shutting down."""
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    UNKNOWN_AUTHORITY = "unknown_authority"
    """Nobody who is trusted vouches for the certificate."""
    WRONG_NAME = "wrong_name"
    """The certificate is for another name."""
    BAD_CERTIFICATE = "bad_certificate"
    """Anything else about the certificate."""
    BAD_CA_FILE = "bad_ca_file"
    """The file of trusted authorities on this side."""
    WRONG_PROTOCOL = "wrong_protocol"
    """Something else than a gateway speaks QUIC there."""
    OTHER = "other"


def explain(ended: Termination, where: str, name: str, alpn: Sequence[str]) -> tuple[Problem, str]:
    """Say why a handshake with ``where`` failed; ``name`` is what the certificate had to carry, ``alpn`` was offered.

    What comes from the peer or from TLS is cut and made printable.
    """
    reason = printable(ended.reason, REASON_LIMIT)
    code = ended.error_code
    if not ended.by_peer:
        if code in CERTIFICATE_ALERTS:
            return _certificate(ended.finding, reason, where, name)
        if ended.finding is Finding.NOTHING_HEARD:
            return no_answer(where)
    elif code == CONNECTION_REFUSED or (code == CloseCode.OVERLOADED and ended.frame_type is None):
        return refused(reason, where)
    elif code == CloseCode.DRAINING and ended.frame_type is None:
        return refused(reason or CloseCode.DRAINING.name, where)
    if code == NO_APPLICATION_PROTOCOL:
        offered = " or ".join(map(repr, alpn))
        return Problem.WRONG_PROTOCOL, f"{where} does not speak {offered}: is it a gateway, and the right port?"
    who = "it" if ended.by_peer else "this side"
    told = f" ({reason})" if reason else ""
    return Problem.OTHER, f"{who} ended the handshake with QUIC error {code:#x}{told}"


def refused(reason: str, where: str) -> tuple[Problem, str]:
    """Say what it means that a server takes no connection: it is there, so waiting is what helps."""
    if reason.startswith(CloseCode.DRAINING.name):
        to = told_address(reason)
        told = f" (reconnect-to {to})" if to else ""
        return Problem.DRAINING, f"the gateway at {where} is shutting down{told}: try another one, or again later"
    told = f" ({reason})" if reason else ""
    return Problem.FULL, f"the gateway at {where} is full and takes no more connections for now{told}: try again later"


def told_delay(reason: str) -> float | None:
    """Return the seconds after which to come back, where a close phrase names them (``… retry-after-ms 1000``)."""
    found = _AFTER.search(reason)
    return int(found[1]) / 1000 if found else None


def told_address(reason: str) -> str | None:
    """Return where to go instead, unchecked, where a close phrase names it (``… reconnect-to gw-2.example:8443``)."""
    found = _TO.search(reason)
    return found[1] if found else None


def told_accepted(reason: str) -> int | None:
    """Return the last request that was accepted, where a close phrase names it (``… max-client-seq 57``)."""
    found = _ACCEPTED.search(reason)
    return int(found[1]) if found else None


def no_answer(where: str) -> tuple[Problem, str]:
    """Say what it means that nothing came back."""
    return Problem.NO_ANSWER, (
        f"no answer from {where}: is the host up, and does a firewall let UDP through to that port?"
    )


def _certificate(finding: Finding | None, reason: str, where: str, name: str) -> tuple[Problem, str]:
    says = f"the certificate of {where} was not accepted"
    told = f" ({reason})" if reason else ""
    match finding:
        case Finding.EXPIRED:
            remedy = "it has expired; the gateway needs a new one (or set this clock)"
            return Problem.CERTIFICATE_EXPIRED, f"{says}: {remedy}"
        case Finding.NOT_YET_VALID:
            remedy = "it is not valid yet; compare the clocks of both machines"
            return Problem.CERTIFICATE_NOT_YET_VALID, f"{says}: {remedy}"
        case Finding.ANOTHER_NAME:
            remedy = "connect by a name that it carries, or give that as the server name"
            return Problem.WRONG_NAME, f"{says}: it is not for {name!r}{told}; {remedy}"
        case Finding.UNKNOWN_AUTHORITY:
            return Problem.UNKNOWN_AUTHORITY, f"{says}: its authority is not trusted{told}; give its authority as CA"
    return Problem.BAD_CERTIFICATE, f"{says}{told}: the gateway needs another one"
