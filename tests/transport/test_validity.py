"""What is said of a certificate's dates, and when."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from quicgw_fast.observe import Metrics
from quicgw_fast.transport.certificates import Identity
from quicgw_fast.transport.validity import DAY, Validity
from tests.support.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = Path("cert.pem")
KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def validity(clock: Clock) -> Validity:
    return Validity(clock.face)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, str]]]:
    """What was said since it was last asked."""

    def take() -> list[tuple[str, str]]:
        records, caplog.handler.records = list(caplog.handler.records), []
        return [(record.getMessage(), vars(record)["reason"]) for record in records]

    return take


def certificate(clock: Clock, begin: float, end: float) -> x509.Certificate:
    """Valid between these days from now."""
    now = datetime.datetime.fromtimestamp(clock.wall, datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=begin))
        .not_valid_after(now + datetime.timedelta(days=end))
        .sign(KEY, SHA256())
    )


Said = "Callable[[], list[tuple[str, str]]]"


@pytest.mark.parametrize(
    ("days", "event", "reason"),
    [
        ((-9, -1), "certificate not valid now", "it expired at 20"),
        ((1, 9), "certificate not valid now", "it is valid from 20"),
        ((-9, 13.5), "certificate ends soon", "UTC, in 13 days"),
    ],
    ids=["expired", "not yet", "soon"],
)
def test_what_is_wrong_is_said_at_once_and_once_a_day(
    validity: Validity, clock: Clock, said: Said, days: tuple[float, float], event: str, reason: str
) -> None:
    validity.present(Identity(certificate(clock, *days), [], KEY), PATH)
    ((told, why),) = said()
    assert (told, reason in why) == (event, True)
    for hours, count in ((23, 0), (1, 1), (1, 0)):
        clock.advance(hours * 3600)
        validity.tend(clock.now)
        assert len(said()) == count


def test_a_good_one_is_nothing_to_speak_of_until_its_end_comes_near(
    validity: Validity, clock: Clock, said: Said
) -> None:
    validity.tend(clock.now)
    validity.present(Identity(certificate(clock, -1, 16), [], KEY), PATH)
    events = []
    for _ in range(18):
        clock.advance(DAY)
        validity.tend(clock.now)
        events += [event for event, _ in said()]
    assert events == ["certificate ends soon"] * 15 + ["certificate not valid now"] * 2


def test_the_first_end_of_the_chain_counts(validity: Validity, clock: Clock, said: Said) -> None:
    metrics = Metrics()
    validity.register(metrics)
    assert metrics.count("certificate_expires") == 0
    ends = certificate(clock, -1, 2)
    validity.present(Identity(certificate(clock, -1, 300), [ends], KEY), PATH)
    assert said()[0][0] == "certificate ends soon"
    assert metrics.count("certificate_expires") == ends.not_valid_after_utc.timestamp()


def test_the_same_again_is_not_said_again_and_another_one_is(validity: Validity, clock: Clock, said: Said) -> None:
    one, other = (Identity(certificate(clock, -9, -1), [], KEY) for _ in range(2))
    for identity, count in ((one, 1), (one, 0), (other, 1)):
        validity.present(identity, PATH)
        assert len(said()) == count
