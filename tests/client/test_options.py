"""Addresses and the checks of what can be chosen."""

from __future__ import annotations

from typing import Any

import pytest

import quicgw_fast.client as sdk
from quicgw_fast.client.options import ReceivePolicy, Reconnect, parse_address


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:9000", ("127.0.0.1", 9000)),
        ("gw.example", ("gw.example", 8443)),
        ("[::1]:8443", ("::1", 8443)),
        ("[::1]", ("::1", 8443)),
    ],
)
def test_addresses(address: str, parts: tuple[str, int]) -> None:
    assert parse_address(address) == parts


@pytest.mark.parametrize("address", ["", ":8443", "::1:8443", "[::1", "[::1]8443", "host:0", "host:65536", "host:x"])
def test_bad_addresses(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        parse_address(address)


def test_an_address_is_no_url() -> None:
    with pytest.raises(ValueError, match="address must be HOST:PORT without a scheme or path, not 'https://"):
        parse_address("https://127.0.0.1:8443")


@pytest.mark.parametrize(
    "wrong",
    [
        {"openid": ""},
        {"timeout": 0},
        {"connect_timeout": -1},
        {"close_timeout": -1},
        {"heartbeat": 0},
        {"max_missed": 0},
        {"ack_every": 0},
        {"ack_delay": -0.1},
        {"queue_size": 0},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_values_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        sdk.connect("localhost", **{"openid": "alice", **wrong})


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match=r"queue_policy must be one of .*, not 'forget'"):
        sdk.connect("localhost", openid="alice", queue_policy="forget")


@pytest.mark.parametrize("wrong", [{"base": 0}, {"cap": 0.01}, {"attempt_timeout": 0}, {"max_attempts": -1}])
def test_reconnect_rules_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="reconnect"):
        Reconnect(**wrong)


async def test_what_connect_takes_ends_in_the_options() -> None:
    client = sdk.connect("localhost:9", openid="alice", reconnect=False, queue_policy="drop_oldest", ca="ca.pem")
    options = client.options
    assert (options.host, options.port, options.openid) == ("localhost", 9, "alice")
    assert options.queue_policy is ReceivePolicy.DROP_OLDEST
    assert not options.reconnect.enabled
    assert str(options.tls.ca) == "ca.pem"
    assert not client.connected
    assert not client.closed
    with pytest.raises(RuntimeError, match="not connected"):
        client.submit("echo")
    await client.close()
