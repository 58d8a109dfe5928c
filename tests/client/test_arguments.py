"""What an application gives by mistake is refused at once, and the message names the argument."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import quicgw_fast.client as sdk
from quicgw_fast.client import Reconnect
from quicgw_fast.client.checks import LONGEST, seconds

if TYPE_CHECKING:
    from tests.client.conftest import Connect
    from tests.client.scripted import ScriptedGateway

TIMES = ["timeout", "connect_timeout", "close_timeout", "heartbeat", "ack_delay"]
PEM = "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n"


def make(**options: Any) -> sdk.Client:
    return sdk.connect("localhost", **{"openid": "alice", **options})


@pytest.mark.parametrize(
    "wrong",
    [
        {"openid": 5},
        {"openid": None},
        {"token": 5},
        {"token": b"bytes"},
        {"ca": 5},
        {"ca": b"ca.pem"},
        {"insecure": "no"},
        {"insecure": 1},
        {"server_name": 5},
        {"login": "no"},
        {"hello_params": {"ms": 5}},
        {"hello_params": [("a", "b")]},
        {"hello_data": "text"},
        {"hello_headers": {5: "x"}},
        {"reconnect": "yes"},
        {"reconnect": None},
        {"reconnect": 3},
        {"resume": "ticket"},
        {"on_state": "callback"},
        {"observer": "me"},
        {"queue_size": 1.5},
        {"max_missed": "3"},
        {"ack_every": True},
        *({name: "5"} for name in TIMES),
        *({name: None} for name in TIMES),
        *({name: True} for name in TIMES),
    ],
    ids=lambda wrong: "-".join(f"{name}={value!r}" for name, value in wrong.items()),
)
def test_a_wrong_type_is_a_type_error_with_the_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(wrong))):
        make(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: value} for name in TIMES for value in (math.nan, -math.inf, -1, LONGEST * 2)),
        *({name: math.inf} for name in TIMES if name != "timeout"),
        {"timeout": 0},
        {"connect_timeout": 0},
        {"heartbeat": 0.0},
        {"openid": "\ud800"},
        {"token": "\ud800"},
        {"server_name": ""},
        {"ca": ""},
        {"ca": "a\0b"},
        {"hello_params": {"a": "\ud800"}},
    ],
    ids=lambda wrong: "-".join(f"{name}={value!r}" for name, value in wrong.items()),
)
def test_a_value_that_makes_no_sense_is_a_value_error_with_the_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        make(**wrong)


@pytest.mark.parametrize("name", ["base", "cap", "attempt_timeout", "stable_after"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1, "5"])
def test_reconnect_rules_too(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=f"reconnect.{name}"):
        Reconnect(**{name: value})


def test_trusting_somebody_and_anybody_at_once_is_refused() -> None:
    with pytest.raises(ValueError, match="ca cannot be combined with insecure=True"):
        make(ca="ca.pem", insecure=True)


def test_certificates_given_for_their_path_are_not_printed() -> None:
    with pytest.raises(ValueError, match="ca must be the path") as caught:
        make(ca=PEM)
    assert "c2VjcmV0" not in str(caught.value)
    assert make(ca=Path("ca.pem")).options.tls.ca == Path("ca.pem")


def test_addresses_are_checked() -> None:
    with pytest.raises(TypeError, match="address"):
        sdk.connect(5, openid="alice")  # type: ignore[arg-type]


@given(st.floats() | st.integers())
def test_a_time_is_within_its_bounds_or_refused(value: float) -> None:
    try:
        checked = seconds("timeout", value, zero=True)
    except ValueError:
        assert not 0 <= value <= LONGEST
    else:
        assert 0 <= checked <= LONGEST


@pytest.mark.parametrize("wrong", [math.nan, -1, 0, -math.inf, LONGEST * 2])
async def test_the_timeout_of_a_call(connect: Connect, wrong: float) -> None:
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context))
    client = await connect()
    with pytest.raises(ValueError, match="timeout"):
        client.submit("echo", timeout=wrong)
    for method in (client.drain, client.next_notify, client.refresh_token):
        if wrong or method is client.refresh_token:
            with pytest.raises(ValueError, match="timeout"):
                await method(timeout=wrong)
    assert (await client.call("echo")).ok
    assert not problems


async def test_the_type_of_a_timeout(connect: Connect) -> None:
    client: Any = await connect()
    for method in (client.call, client.submit):
        with pytest.raises(TypeError, match="timeout must be a number of seconds, not str"):
            await method("echo", timeout="5")
    for method in (client.drain, client.next_notify, client.refresh_token):
        with pytest.raises(TypeError, match="timeout must be a number of seconds, not str"):
            await method(timeout="5")
    assert (await client.call("echo", timeout=math.inf)).ok


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"params": {"ms": 5}}, r"params\['ms'\] must be a str, not int"),
        ({"params": {5: "ms"}}, "params must have keys of str, not int"),
        ({"params": "ms=5"}, "params must be a mapping of str to str, not str"),
        ({"headers": {"a": None}}, r"headers\['a'\] must be a str, not NoneType"),
        ({"headers": 5}, "headers must be a mapping"),
        ({"data": "text"}, r"data must be bytes, a bytearray or a memoryview, not str: encode it"),
        ({"data": 5}, "data must be bytes"),
        ({"data": [1, 2]}, "data must be bytes"),
        ({"params": {"a": "\ud800"}}, r"params\['a'\] has a character"),
        ({"action": 5}, "action must be a str, not int"),
        ({"action": "\ud800"}, "action has a character"),
    ],
)
async def test_the_arguments_of_a_call(connect: Connect, wrong: dict[str, Any], says: str) -> None:
    client: Any = await connect()
    with pytest.raises((TypeError, ValueError), match=says):
        client.submit(**{"action": "echo", **wrong})
    assert (await client.call("echo")).ok, "nothing was left behind"


async def test_data_may_be_any_bytes(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect(hello_data=bytearray(b"who"))
    assert gateway.asked[0].data == b"who"
    changing = bytearray(b"abcd")
    call = client.submit("echo", data=changing)
    changing[:] = b"xxxx"
    assert (await call).data == b"abcd"
    assert (await client.call("echo", data=memoryview(b"abcd")[::2])).data == b"ac"


@pytest.mark.parametrize("made", [None, 5, b"token"])
async def test_a_token_source_that_returns_no_text(connect: Connect, made: Any) -> None:
    with pytest.raises(ConnectionError, match="what the token source returns must be a str"):
        await connect(token=lambda: made)


async def test_a_token_by_hand(connect: Connect) -> None:
    client: Any = await connect()
    with pytest.raises(TypeError, match="token must be a str"):
        await client.refresh_token(5)
