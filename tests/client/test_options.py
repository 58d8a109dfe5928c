"""Addresses and the checks of what can be chosen."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import quicgw_fast.client as sdk
from quicgw_fast.client.options import ReceivePolicy, Reconnect, parse_address
from quicgw_fast.errors import StartupError


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


@pytest.mark.parametrize(
    ("variable", "named", "chosen"),
    [
        ("0", None, "aioquic"),
        ("1", None, "quinn"),
        ("1", "aioquic", "aioquic"),
        ("0", "quinn", "quinn"),
    ],
)
async def test_who_does_quic(monkeypatch: pytest.MonkeyPatch, variable: str, named: str | None, chosen: str) -> None:
    monkeypatch.setenv("QUICGW_FAST", variable)
    assert sdk.connect("localhost", openid="alice", transport=named).options.transport == chosen


def test_a_transport_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="transport must be one of aioquic, quinn, not 'tcp'"):
        sdk.connect("localhost", openid="alice", transport="tcp")
    with pytest.raises(TypeError, match="transport must be a str"):
        sdk.connect("localhost", openid="alice", transport=1)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "quicgw_fast.transport.quinn", None)
    with pytest.raises(StartupError, match="the transport quinn cannot be imported"):
        sdk.connect("localhost", openid="alice", transport="quinn")


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
