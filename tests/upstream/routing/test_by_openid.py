"""``routing.mode = "zone"``: by range, or by MD5."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.config import RoutingConfig
from quicgw_fast.upstream import ZONES, ZoneMode, zone_of


@given(st.text())
def test_zone_is_the_md5_formula(openid: str) -> None:
    digest = hashlib.md5(openid.encode("utf-8")).hexdigest()
    expected = f"00{int(digest[:8], 16) % 6 + 1}"
    assert zone_of(openid) == expected
    assert ZoneMode(RoutingConfig()).service_for("hello", openid) == expected


def test_zone_of_known_openids() -> None:
    # md5("") = d41d8cd9…, md5("abc") = 90015098… (RFC 1321 A.5)
    assert zone_of("") == f"00{0xD41D8CD9 % 6 + 1}"
    assert zone_of("abc") == f"00{0x90015098 % 6 + 1}"
    assert {zone_of(f"player-{number}") for number in range(100)} == set(ZONES)


def test_ranges_of_numeric_openids() -> None:
    mode = ZoneMode(RoutingConfig(zone_ranges=((100, 199, "002"), (0, 99, "001"), (200, 2**64 - 1, "006"))))
    for openid, zone in (("0", "001"), ("99", "001"), ("00100", "002"), ("200", "006"), (str(2**64 - 1), "006")):
        assert mode.service_for("any", openid) == zone
    assert mode.services == ZONES


@pytest.mark.parametrize("openid", ["alice", "-5", "5.0", "٥", "²", "", "9" * 21, "500", "1 "])
def test_openid_without_range_falls_to_md5(openid: str) -> None:
    mode = ZoneMode(RoutingConfig(zone_ranges=((1, 10, "001"),)))
    assert mode.service_for("any", openid) == zone_of(openid)
