"""Connection ids for a balancer that could not be made, or that say more than they should."""

from __future__ import annotations

from typing import Any

import pytest

from quicgw_fast.config import load
from quicgw_fast.config.sense import risks, without_effect
from quicgw_fast.errors import ConfigError

SERVER = {"connection_ids": "quic-lb"}


def balanced(server: dict[str, Any] | None = None, **written: Any) -> dict[str, dict[str, Any]]:
    return {"server": {**SERVER, **(server or {})}, "quic_lb": {"server_id": "0A01", **written}}


def told_of(tables: dict[str, dict[str, Any]]) -> list[str]:
    config = load(overrides=tables)
    return [told for key, told in (*risks(config), *without_effect(config)) if "quic_lb" in told or "quic_lb" in key]


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"server": SERVER}, r"server\.connection_ids .*quic_lb\.server_id .*: .*set quic_lb\.server_id, to another"),
        (balanced(nonce_length="18"), r"quic_lb\.server_id .*quic_lb\.nonce_length .*at most 20 .*are 21: shorten one"),
        (balanced(server_id="00" * 15, nonce_length="5"), r"1 byte of the configuration, 15 and 5 are 21"),
        (
            {**balanced({"workers": "33"}), "cluster": {"url": "valkey://127.0.0.1:6379"}},
            r"server\.workers .*server\.connection_ids .*room for 32 workers",
        ),
    ],
)
def test_what_goes_badly_together(tables: dict[str, dict[str, Any]], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load(overrides=tables)


def test_whoever_has_no_key_is_told_what_that_means() -> None:
    (told,) = told_of(balanced())
    assert "quic_lb.key_file is not set" in told
    assert "links a client's old address with its new one" in told


def test_a_short_nonce_is_for_a_few_starts() -> None:
    (told,) = told_of(balanced(key_file="quic-lb.key", nonce_length="5"))
    assert "quic_lb.nonce_length is 5" in told
    assert told_of(balanced(key_file="quic-lb.key", nonce_length="6")) == []
    assert len(told_of(balanced(nonce_length="4"))) == 1, "without a key nothing can become known of it"


def test_what_is_written_for_ids_that_are_random_has_no_effect() -> None:
    told = told_of({"quic_lb": {"server_id": "0a01", "config_id": "3"}})
    assert [one.partition(" ")[0] for one in told] == ["quic_lb.config_id", "quic_lb.server_id"]
    assert all('set it to "quic-lb"' in one for one in told)


def test_the_longest_and_the_shortest_id() -> None:
    assert load(overrides=balanced(nonce_length="17")).quic_lb.server_id == "0a01"
    assert load(overrides=balanced(server_id="ff", nonce_length="4")).quic_lb.nonce_length == 4
