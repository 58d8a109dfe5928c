"""Entries of a list of addresses: networks and hosts, with a port or for all."""

from __future__ import annotations

import ipaddress

import pytest

from quicgw_fast import config as configs
from quicgw_fast.config import is_never, parse_allowed
from quicgw_fast.config.allowed import NEVER
from quicgw_fast.errors import ConfigError


@pytest.mark.parametrize(
    ("entry", "host", "ip", "port", "taken"),
    [
        ("127.0.0.0/8", "x", "127.1.2.3", 1, True),
        ("127.0.0.0/30", "x", "127.0.0.4", 1, False),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", 9001, True),
        ("127.0.0.1", "127.0.0.2", "127.0.0.2", 9001, False),
        ("127.0.0.1:9001", "127.0.0.1", "127.0.0.1", 9001, True),
        ("127.0.0.1:9001", "127.0.0.1", "127.0.0.1", 9002, False),
        ("127.0.0.0/8:9001", "127.0.0.1", "127.0.0.1", 9001, True),
        ("::1", "::1", "::1", 9001, True),
        ("[::1]", "::1", "::1", 9001, True),
        ("[::1]:9001", "::1", "::1", 9002, False),
        ("[::/0]:9001", "::1", "::1", 9001, True),
        ("::/0", "127.0.0.1", "127.0.0.1", 9001, False),
        ("localhost", "localhost", "127.0.0.1", 1, True),
        ("LOCALHOST:7", "localhost", "127.0.0.1", 7, True),
        ("localhost:7", "localhost", "127.0.0.1", 8, False),
        ("localhost", "127.0.0.1", "127.0.0.1", 1, False),
        ("*.test", "a.b.test", "127.0.0.1", 1, True),
        ("*.test", "test", "127.0.0.1", 1, False),
        ("*.test", "atest", "127.0.0.1", 1, False),
    ],
)
def test_what_an_entry_takes(entry: str, host: str, ip: str, port: int, taken: bool) -> None:
    assert parse_allowed(entry).takes(host, ipaddress.ip_address(ip), port) is taken


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "*",
        "a b",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:x",
        "127.0.0.1/33",
        "127.1",
        "*.*.test",
        "[::1",
        ":9001",
    ],
)
def test_what_is_no_entry_is_told_with_its_place(entry: str) -> None:
    with pytest.raises(ConfigError, match=r"upstream\.allow: .*write a network"):
        configs.load(overrides={"upstream": {"allow": [entry]}})


@pytest.mark.parametrize("network", NEVER, ids=str)
def test_where_no_service_can_be(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
    first, last = network[0], network[-1]
    assert is_never(first)
    assert is_never(last)
    if isinstance(first, ipaddress.IPv4Address):
        for carrier in ("::ffff:0:0", "64:ff9b::"):
            assert is_never(ipaddress.IPv6Address(int(ipaddress.IPv6Address(carrier)) | int(first)))
        assert is_never(ipaddress.IPv6Address((0x2002 << 112) | (int(first) << 80)))
    with pytest.raises(ConfigError, match="where no service can be: leave it out"):
        configs.load(overrides={"upstream": {"allow": [str(network)]}})


def test_a_network_around_one_where_no_service_can_be_is_allowed_but_for_that() -> None:
    assert not is_never(ipaddress.ip_address("127.0.0.1"))
    assert not is_never(ipaddress.ip_address("::1"))
    assert parse_allowed("::/0").takes("", NEVER[-1][0], 1), "which is asked for first"
