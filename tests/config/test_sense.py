"""Settings that are good alone: contradictions are refused, settings without effect are told."""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_origin

import pytest

from quicgw_fast.backend import constants
from quicgw_fast.config import advice, load, read
from quicgw_fast.config.models import SECTIONS
from quicgw_fast.config.sense import MESSAGE_COST
from quicgw_fast.config.values import Within, WordOrNumber
from quicgw_fast.errors import ConfigError


def numbers() -> list[tuple[str, Any]]:
    return [
        (f"{name}.{key}", known)
        for name, section in SECTIONS.items()
        for key, known in section.model_fields.items()
        if known.annotation in (int, float)
    ]


@pytest.mark.parametrize(("key", "known"), numbers(), ids=[key for key, _ in numbers()])
def test_every_number_has_bounds_and_its_default_lies_within(key: str, known: Any) -> None:
    (bounds,) = [one for one in known.metadata if isinstance(one, Within)]
    assert bounds.low < bounds.high < float("inf"), key
    assert bounds.check(known.default) == known.default


def test_no_number_hides_in_another_type() -> None:
    """An optional number, say, would escape the test above; one beside words has its bounds with them."""
    for name, section in SECTIONS.items():
        for key, known in section.model_fields.items():
            if any(isinstance(mark, WordOrNumber) for mark in known.metadata):
                continue
            if known.annotation not in (int, float) and get_origin(known.annotation) is not tuple:
                inner = {part for part in get_args(known.annotation) if get_origin(part) is not Annotated}
                assert not inner & {int, float}, f"{name}.{key}"


def test_the_defaults_contradict_nothing() -> None:
    assert advice(load()) == []


def test_a_default_gives_way_to_what_was_written() -> None:
    config = load(
        overrides={
            "session": {"timeout": "6s"},
            "limits": {"max_half_open": 10},
            "offline": {"store": "memory", "max_total_bytes": "64KiB"},
        }
    )
    assert config.session.told_interval == 2
    assert config.limits.retry_from == 5
    assert advice(config) == []
    assert load().session.told_interval == 30
    assert load(overrides={"session": {"timeout": "2s", "heartbeat_interval": "1s"}}).session.told_interval == 1


def test_a_timeout_that_no_heartbeat_can_keep_is_told() -> None:
    assert "is closed as idle" in " ".join(advice(load(overrides={"session": {"timeout": "1s"}})))


@pytest.mark.parametrize(
    ("tables", "keys", "why"),
    [
        (
            {"session": {"timeout": "30s", "heartbeat_interval": "30s"}},
            ["session.timeout (on the command line)", "session.heartbeat_interval (on the command line)"],
            "every 30s is closed as idle after 30s",
        ),
        ({"session": {"timeout": "1s", "heartbeat_interval": "10ms"}}, ["session.timeout"], "heartbeats every 1s"),
        ({"session": {"memory": "4MiB", "window_bytes": "5MiB"}}, ["session.memory", "session.window_bytes"], "4MiB"),
        ({"session": {"memory": "512KiB", "window_bytes": "1KiB"}}, ["session.memory"], "at least 1MiB"),
        (
            {"session": {"memory": "2MiB", "window_messages": 30_000}},
            ["session.memory", "session.window_messages"],
            "30_000 messages of one session take 2880000B at least, all together may take 2MiB",
        ),
        ({"limits": {"requests_per_second": 1}}, ["limits.requests_per_second"], "at least 2 a second"),
        ({"limits": {"memory": "127MiB"}}, ["limits.memory"], "at least 128MiB"),
        ({"overload": {"memory_stages": [0.5, 0.4, 0.6, 0.7]}}, ["overload.memory_stages"], "growing shares"),
        ({"limits": {"request_bytes": "1000KiB"}}, ["limits.request_bytes"], "largest size takes more: at least 1MiB"),
        ({"session": {"timeout": "1ms"}}, ["session.timeout"], "too short"),
        ({"session": {"start_timeout": "1ms"}}, ["session.start_timeout"], "too short"),
        ({"session": {"frame_timeout": "1ms"}}, ["session.frame_timeout"], "too short"),
        ({"processor": {"task_timeout": "1ms"}}, ["processor.task_timeout"], "too short"),
        (
            {"limits": {"max_half_open": 64, "retry_above": 64}},
            ["limits.retry_above", "limits.max_half_open"],
            "prove its address",
        ),
        ({"limits": {"messages_per_second": 0.05}}, ["limits.messages_per_second"], "waits 20s"),
        ({"session": {"window_messages": 1}}, ["session.window_messages"], "at least 2 messages"),
        ({"session": {"window_bytes": 100}}, ["session.window_bytes"], "at least 1KiB"),
        (
            {"limits": {"request_bytes": "32MiB", "request_memory": "16MiB"}},
            ["limits.request_bytes", "limits.request_memory"],
            "one session may hold 32MiB, all together 16MiB",
        ),
        (
            {"limits": {"control_per_second": 0.01}},
            ["limits.control_per_second", "session.heartbeat_interval"],
            "over its rate",
        ),
        (
            {"offline": {"max_bytes": "2MiB", "max_total_bytes": "1MiB"}},
            ["offline.max_bytes", "offline.max_total_bytes"],
            "one openid may keep 2MiB, all together 1MiB",
        ),
        ({"offline": {"store": "sqlite"}}, ["offline.store", "offline.path"], "set offline.path"),
        ({"offline": {"store": "directory"}}, ["offline.store", "cluster.url"], "set cluster.url"),
        ({"server": {"grpc": "127.0.0.1:9", "admin": "127.0.0.1:9"}}, ["server.grpc", "server.admin"], "of their own"),
        ({"drain": {"reconnect_to": "127.0.0.1:0"}}, ["drain.reconnect_to"], "port 0 is none"),
        ({"auth": {"mode": "jwt"}}, ["auth.mode", "auth.key_file", "auth.jwks_file"], "exactly one"),
        ({"auth": {"mode": "jwt", "key_file": "a", "jwks_file": "b"}}, ["auth.key_file"], "exactly one"),
        ({"auth": {"login": "token"}}, ["auth.login", "auth.mode"], "anybody would be logged in as anybody"),
        ({"upstream": {"ca": "a", "cert": "c"}}, ["upstream.cert", "upstream.key"], "set the other one"),
        ({"upstream": {"cert": "c", "key": "k"}}, ["upstream.cert"], "without TLS: set upstream.ca"),
        ({"upstream": {"server_name": "x"}}, ["upstream.server_name"], "without TLS: set upstream.ca"),
    ],
)
def test_contradictions_are_refused(tables: dict[str, dict[str, Any]], keys: list[str], why: str) -> None:
    read(overrides=tables)
    with pytest.raises(ConfigError) as refused:
        load(overrides=tables)
    told = str(refused.value)
    assert "\n" not in told
    for part in (*keys, why):
        assert part in told


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"auth": {"key_file": "a"}}, ['auth.key_file is not used: auth.mode is "none"; set it to "jwt"']),
        (
            {"auth": {"mode": "jwt", "key_file": "a", "gid_claim": "g"}},
            ['auth.gid_claim is not used: auth.login is "hello"'],
        ),
        ({"offline": {"path": "a"}}, ['offline.path is not used: offline.store is "off"; set it to "sqlite"']),
        ({"offline": {"path": "a", "store": "memory"}}, ["offline.path is not used"]),
        ({"offline": {"max_age": "1h"}}, ["offline.max_age is not used"]),
        ({"routing": {"mode": "zone"}, "upstream": {"hello": []}}, ["upstream.hello is not used"]),
        ({"routing": {"mode": "zone", "exact": {"x": "hello"}}}, ["routing.exact is not used"]),
        ({"routing": {"zone_ranges": []}}, ["routing.zone_ranges is not used"]),
    ],
)
def test_settings_without_effect_are_told(tables: dict[str, dict[str, Any]], told: list[str]) -> None:
    said = advice(load(overrides=tables))
    assert len(said) == len(told)
    assert all(part in line for part, line in zip(told, said, strict=True))


def test_what_a_message_costs_is_what_the_engine_counts() -> None:
    assert MESSAGE_COST == constants.MESSAGE_COST


def test_a_window_that_the_allowed_requests_overflow_is_told() -> None:
    (told,) = advice(load(overrides={"session": {"window_messages": 50}}))
    assert "limits.in_flight (64) is more than session.window_messages holds (replies: 62)" in told
    assert advice(load(overrides={"session": {"window_messages": 52}})) == []
