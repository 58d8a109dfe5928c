"""What holds for every routing mode, and how the configured one is made."""

from __future__ import annotations

import typing
from typing import Any

import pytest

from quicgw_fast import config as configs
from quicgw_fast.cli.upstream import Mode
from quicgw_fast.config import RoutingConfig, UpstreamConfig
from quicgw_fast.errors import ConfigError
from quicgw_fast.proto.service_pb2 import UpstreamRegisterRequest
from quicgw_fast.upstream import RegisterRefused, RoutingMode
from quicgw_fast.upstream.routing import MODES, make_mode

every_mode = pytest.mark.parametrize("name", MODES)


def made(name: str) -> RoutingMode:
    return make_mode(RoutingConfig.model_validate({"mode": name}))


def test_the_configuration_and_the_command_name_all_modes() -> None:
    assert typing.get_args(RoutingConfig.model_fields["mode"].annotation) == tuple(MODES) == tuple(Mode)


@every_mode
def test_the_configured_mode_is_made(name: str) -> None:
    assert type(made(name)) is MODES[name]


@every_mode
def test_a_request_goes_to_one_of_the_services(name: str) -> None:
    mode = made(name)
    for action in ("hello", "echo", "buy"):
        assert mode.service_for(action, "alice") in mode.services


@every_mode
def test_a_hello_goes_where_logins_are_said_to_go(name: str) -> None:
    mode = made(name)
    asked = {mode.service_for("hello", f"player-{number}") for number in range(100)}
    assert asked == ({mode.login_service} if mode.login_service else set(mode.services))


def test_hellos_are_bounded_where_one_service_takes_all_of_them() -> None:
    for wanted, most, bound in ((20, 7, 7), (5, 7, 5), (20, 0, 20)):
        assert MODES["service"].logins_at_once(wanted, most) == bound
        assert MODES["zone"].logins_at_once(wanted, most) == wanted


@every_mode
def test_a_registration_is_read_as_it_is_written(name: str) -> None:
    mode = made(name)
    for service in mode.services:
        request = mode.registration("127.0.0.1:9001", service)
        assert request.address == "127.0.0.1:9001"
        assert mode.registered_service(request) == service


@pytest.mark.parametrize(
    ("name", "zone_id", "service_name", "service"),
    [("service", "004", " Hello ", "hello"), ("zone", " 004 ", "whatever", "004")],
)
def test_each_mode_reads_a_field_of_its_own(name: str, zone_id: str, service_name: str, service: str) -> None:
    request = UpstreamRegisterRequest(zone_id=zone_id, service_name=service_name)
    assert made(name).registered_service(request) == service


@pytest.mark.parametrize(
    ("name", "zone_id", "service_name", "error_code"),
    [
        ("service", "001", "", "BAD_SERVICE"),
        ("service", "", "greeter", "BAD_SERVICE"),
        ("zone", "", "hello", "BAD_ZONE"),
        ("zone", "007", "", "BAD_ZONE"),
        ("zone", "1", "", "BAD_ZONE"),
    ],
)
def test_a_registration_for_an_unknown_service_is_refused(
    name: str, zone_id: str, service_name: str, error_code: str
) -> None:
    mode = made(name)
    with pytest.raises(RegisterRefused, match=f"known are {', '.join(mode.services)}") as caught:
        mode.registered_service(UpstreamRegisterRequest(zone_id=zone_id, service_name=service_name))
    assert caught.value.error_code == error_code


def test_addresses_are_configured_by_service_and_never_by_zone() -> None:
    upstream = UpstreamConfig(hello=("h:1", "h:2"), zone=("z:1",))
    assert MODES["service"].configured(upstream) == {"hello": ("h:1", "h:2"), "business": (), "zone": ("z:1",)}
    assert MODES["zone"].configured(upstream) == {}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"mode": "random"}, "routing.mode"),
        ({"exact": {"Hello": "hello"}}, "lower case"),
        ({"containing": {"": "hello"}}, "not empty"),
        ({"exact": {"hello": "greeter"}}, "routing.exact.hello names the service 'greeter'"),
        ({"default": "001"}, "routing.default"),
        ({"exact": {"hello": "zone"}}, "hello to the service zone, so that nobody could log in"),
        (
            {"exact": {"foo": "hello"}, "replace_defaults": True},
            "hello to the service business, so that nobody could log in",
        ),
        ({"zone_ranges": [(1, 2, "007")]}, "'007'"),
        ({"zone_ranges": [(5, 2, "001")]}, "low <= high"),
        ({"zone_ranges": [(-1, 2, "001")]}, "low <= high"),
        ({"zone_ranges": [(5, 9, "001"), (1, 5, "002")]}, "overlap"),
        ({"mode": "zone", "default": "001"}, "routing.default"),
    ],
)
def test_unusable_tables_are_refused_whatever_the_mode(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_mode(configs.read(overrides={"routing": table}).routing)


def test_where_the_openid_routes_the_table_of_actions_may_send_hello_anywhere() -> None:
    config = RoutingConfig(mode="zone", exact={"hello": "zone"})
    assert make_mode(config).login_service is None
