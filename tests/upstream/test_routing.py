from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.config import RoutingConfig
from quicgw_fast.errors import ConfigError
from quicgw_fast.upstream.routing import SERVICES, ZONES, RoutingTable, zone_of


@pytest.mark.parametrize(
    ("action", "service"),
    [
        ("hello", "hello"),
        ("HELLO", "hello"),
        ("logout", "hello"),
        ("status", "hello"),
        ("heartbeat", "hello"),
        ("data_sync", "hello"),
        ("zone", "zone"),
        ("echo", "zone"),
        ("Calculate", "zone"),
        ("time", "zone"),
        ("zone_transfer", "zone"),
        ("MyEchoTest", "zone"),
        ("recalculate", "zone"),
        ("runtime", "zone"),
        ("login", "business"),
        ("hello2", "business"),
        ("user_list", "business"),
        ("notification", "business"),
        ("", "business"),
        ("登录", "business"),
    ],
)
def test_default_table_routes_by_action(action: str, service: str) -> None:
    assert RoutingTable().service_for(action, "anybody") == service


def test_exact_wins_over_containing_and_containing_keeps_its_order() -> None:
    exact = {"hello": "hello", "timeline": "business"}
    table = RoutingTable(exact=exact, containing={"line": "hello", "time": "zone"}, default="zone")
    assert table.service_for("TIMELINE", "") == "business"
    assert table.service_for("timelines", "") == "hello"
    assert table.service_for("daytime", "") == "zone"
    assert table.service_for("other", "") == "zone"


def test_default_table_is_the_configured_default() -> None:
    configured = RoutingConfig()
    table = RoutingTable(
        configured.mode,
        configured.actions,
        configured.parts,
        configured.default,
        configured.zone_ranges,
    )
    assert (dict(table.exact), list(table.containing.items())) == (
        dict(RoutingTable().exact),
        list(RoutingTable().containing.items()),
    )
    assert table.default == RoutingTable().default
    assert table.services == SERVICES


def test_own_routes_are_added_to_those_as_deployed() -> None:
    own = RoutingConfig(exact={"foo": "hello", "time": "business"}, containing={"fo": "zone"})
    table = RoutingTable(exact=own.actions, containing=own.parts)
    routes = {"foo": "hello", "hello": "hello", "time": "business", "food": "zone", "my-echo": "zone", "x": "business"}
    assert {action: table.service_for(action, "") for action in routes} == routes
    assert next(iter(own.parts)) == "fo"


def test_only_an_explicit_word_replaces_them() -> None:
    own = RoutingConfig(exact={"hello": "hello"}, replace_defaults=True)
    table = RoutingTable(exact=own.actions, containing=own.parts)
    assert (table.service_for("hello", ""), table.service_for("echo", "")) == ("hello", "business")


@given(st.text())
def test_zone_is_the_md5_formula(openid: str) -> None:
    digest = hashlib.md5(openid.encode("utf-8")).hexdigest()
    expected = f"00{int(digest[:8], 16) % 6 + 1}"
    assert zone_of(openid) == expected
    assert RoutingTable("zone").service_for("hello", openid) == expected


def test_zone_of_known_openids() -> None:
    # md5("") = d41d8cd9…, md5("abc") = 90015098… (RFC 1321 A.5)
    assert zone_of("") == f"00{0xD41D8CD9 % 6 + 1}"
    assert zone_of("abc") == f"00{0x90015098 % 6 + 1}"
    assert {zone_of(f"player-{number}") for number in range(100)} == set(ZONES)


def test_ranges_of_numeric_openids() -> None:
    table = RoutingTable("zone", zone_ranges=[(100, 199, "002"), (0, 99, "001"), (200, 2**64 - 1, "006")])
    for openid, zone in (("0", "001"), ("99", "001"), ("00100", "002"), ("200", "006"), (str(2**64 - 1), "006")):
        assert table.service_for("any", openid) == zone
    assert table.services == ZONES


@pytest.mark.parametrize("openid", ["alice", "-5", "5.0", "٥", "²", "", "9" * 21, "500", "1 "])
def test_openid_without_range_falls_to_md5(openid: str) -> None:
    table = RoutingTable("zone", zone_ranges=[(1, 10, "001")])
    assert table.service_for("any", openid) == zone_of(openid)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"mode": "random"}, "routing.mode"),
        ({"exact": {"Hello": "hello"}}, "lower case"),
        ({"containing": {"": "hello"}}, "not empty"),
        ({"exact": {"hello": "greeter"}}, "routing.exact.hello names the service 'greeter'"),
        ({"default": "001"}, "routing.default"),
        ({"exact": {"hello": "zone"}}, "hello to the service zone, so that nobody could log in"),
        ({"exact": {"foo": "hello"}, "containing": {}}, "hello to the service business, so that nobody could log in"),
        ({"zone_ranges": [(1, 2, "007")]}, "'007'"),
        ({"zone_ranges": [(5, 2, "001")]}, "low <= high"),
        ({"zone_ranges": [(-1, 2, "001")]}, "low <= high"),
        ({"zone_ranges": [(5, 9, "001"), (1, 5, "002")]}, "overlap"),
    ],
)
def test_unusable_tables_are_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RoutingTable(**table)  # type: ignore[arg-type]
