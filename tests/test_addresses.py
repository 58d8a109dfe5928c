"""Whom an address stands for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.addresses import address_group


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:443", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("[2001:db8::1]:443", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("nonsense", "nonsense"),
        ("", ""),
        ("x" * 1000, "x" * 128),
    ],
)
def test_address_groups(address: str, group: str) -> None:
    assert address_group(address) == group


@given(st.text())
def test_any_text_has_a_group(address: str) -> None:
    assert len(address_group(address)) <= 128
