"""Addresses: one spelling of what can be called, and a reason for what cannot."""

from __future__ import annotations

import pytest

from quicgw_fast.upstream import RegisterRefused, parse_address
from quicgw_fast.upstream.address import usable


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("127.0.0.1:9001", "127.0.0.1:9001"),
        ("127.0.0.1:09001", "127.0.0.1:9001"),
        ("[::1]:9001", "[::1]:9001"),
        ("[0:0:0:0:0:0:0:1]:9001", "[::1]:9001"),
        ("Zone-1.Example.COM.:65535", "zone-1.example.com:65535"),
        ("my_service:1", "my_service:1"),
    ],
)
def test_addresses_have_one_spelling(written: str, meant: str) -> None:
    assert parse_address(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        "",
        "127.0.0.1",
        ":9001",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.256:9001",
        "1.2.3:9001",
        "::1:9001",
        "[::1:9001",
        "[::g]:9001",
        "[]:9001",
        "[127.0.0.1]:9001",
        "unix:/tmp/x:1",
        "http://host:1",
        "ho st:1",
        "host/path:1",
        "-host:1",
        "a..b:1",
        "x" * 64 + ":1",
        ".".join(["abcdefgh"] * 29) + ":1",
        "hö:1",
        "[fe80::1%eth0]:1\n",
    ],
)
def test_unusable_addresses_are_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"address|port"):
        parse_address(written)


def test_a_registration_with_an_unusable_address_is_refused() -> None:
    assert usable("127.0.0.1:09001") == "127.0.0.1:9001"
    with pytest.raises(RegisterRefused, match="port 0") as caught:
        usable("127.0.0.1:0")
    assert caught.value.error_code == "BAD_ADDRESS"
