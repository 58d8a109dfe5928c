"""``routing.mode = "service"``: the table as deployed, and own entries."""

from __future__ import annotations

import pytest

from quicgw_fast.config import RoutingConfig
from quicgw_fast.upstream import SERVICES, ServiceMode


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
    assert ServiceMode(RoutingConfig()).service_for(action, "anybody") == service


def test_exact_wins_over_containing_and_containing_keeps_its_order() -> None:
    mode = ServiceMode(
        RoutingConfig(
            exact={"hello": "hello", "timeline": "business"},
            containing={"line": "hello", "time": "zone"},
            default="zone",
            replace_defaults=True,
        )
    )
    assert mode.service_for("TIMELINE", "") == "business"
    assert mode.service_for("timelines", "") == "hello"
    assert mode.service_for("daytime", "") == "zone"
    assert mode.service_for("other", "") == "zone"
    assert mode.services == SERVICES


def test_own_routes_are_added_to_those_as_deployed() -> None:
    own = RoutingConfig(exact={"foo": "hello", "time": "business"}, containing={"fo": "zone"})
    mode = ServiceMode(own)
    routes = {"foo": "hello", "hello": "hello", "time": "business", "food": "zone", "my-echo": "zone", "x": "business"}
    assert {action: mode.service_for(action, "") for action in routes} == routes
    assert next(iter(own.parts)) == "fo"


def test_only_an_explicit_word_replaces_them() -> None:
    mode = ServiceMode(RoutingConfig(exact={"hello": "hello"}, replace_defaults=True))
    assert (mode.service_for("hello", ""), mode.service_for("echo", "")) == ("hello", "business")
