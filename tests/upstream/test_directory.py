from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.errors import ConfigError
from quicgw_fast.upstream.directory import Directory
from quicgw_fast.upstream.errors import RegisterRefused
from quicgw_fast.upstream.routing import SERVICES, ZONES
from tests.upstream.conftest import down, up

if TYPE_CHECKING:
    from quicgw_fast.upstream.instance import Instance


class Recorder:
    def __init__(self) -> None:
        self.events: list[str] = []

    def instance_added(self, instance: Instance) -> None:
        self.events.append(f"+{instance.address}")

    def instance_removed(self, instance: Instance, *, hang_up: bool) -> None:
        self.events.append(f"{'!' if hang_up else '-'}{instance.address}")


def addresses(directory: Directory, service: str) -> list[str]:
    return [instance.address for instance in directory.instances(service)]


def three_hellos() -> Directory:
    directory = Directory(SERVICES)
    for port in (9001, 9002, 9003):
        directory.add("hello", f"127.0.0.1:{port}")
    return directory


def test_one_address_in_two_services_is_one_instance() -> None:
    directory = Directory(SERVICES)
    recorder = Recorder()
    directory.follow(recorder)
    first = directory.add("hello", "127.0.0.1:9001")
    assert directory.add("zone", "127.0.0.1:9001") is first
    assert directory.services_of(first) == ("hello", "zone")
    assert directory.instances() == (first,)
    assert recorder.events == ["+127.0.0.1:9001"]


def test_who_follows_is_told_of_all_that_are_there_until_it_unfollows() -> None:
    directory = three_hellos()
    recorder = Recorder()
    directory.follow(recorder)
    assert recorder.events == ["+127.0.0.1:9001", "+127.0.0.1:9002", "+127.0.0.1:9003"]
    directory.unfollow()
    directory.register("127.0.0.1:9004", "zone")
    directory.deregister("127.0.0.1:9004", "zone")
    assert len(recorder.events) == 3


def test_add_names_the_key_that_is_wrong() -> None:
    directory = Directory(SERVICES, max_instances=1)
    with pytest.raises(ConfigError, match=r"upstream\.greeter: no such service"):
        directory.add("greeter", "127.0.0.1:9001")
    with pytest.raises(ConfigError, match=r"upstream\.hello: .*port 0"):
        directory.add("hello", "127.0.0.1:0")
    directory.add("hello", "127.0.0.1:9001")
    directory.add("hello", "127.0.0.1:9001")
    with pytest.raises(ConfigError, match="configure fewer"):
        directory.add("hello", "127.0.0.1:9002")


def test_a_stand_in_serves_while_nobody_else_does() -> None:
    directory = Directory(SERVICES)
    recorder = Recorder()
    directory.follow(recorder)
    directory.stand_in("hello", "127.0.0.1:9001")
    directory.stand_in("zone", "127.0.0.1:9001")
    for port in (9002, 9003):
        directory.register(f"127.0.0.1:{port}", "hello")
    assert addresses(directory, "hello") == ["127.0.0.1:9002", "127.0.0.1:9003"]
    assert addresses(directory, "zone") == ["127.0.0.1:9001"]
    for port in (9002, 9003):
        directory.deregister(f"127.0.0.1:{port}", "hello")
    assert addresses(directory, "hello") == ["127.0.0.1:9001"]
    assert "-127.0.0.1:9001" not in recorder.events, "it served the zone all the time"


def test_registering_is_idempotent() -> None:
    directory = Directory(SERVICES)
    told = [directory.register("127.0.0.1:9001", service) for service in ("hello", "hello", "zone")]
    assert [each.is_new for each in told] == [True, False, True]
    assert addresses(directory, "hello") == addresses(directory, "zone") == ["127.0.0.1:9001"]


def test_registering_a_configured_address_keeps_it_configured() -> None:
    directory = three_hellos()
    directory.register("127.0.0.1:9001", "hello")
    assert not directory.instances("hello")[0].registered
    assert len(directory.instances("hello")) == 3


def test_one_address_serves_every_zone_it_registered_for() -> None:
    directory = Directory(ZONES)
    recorder = Recorder()
    directory.follow(recorder)
    for zone in ("001", "006", "006", "001"):
        directory.register("127.0.0.1:9001", zone)
    directory.register("127.0.0.1:9002", "001")
    assert addresses(directory, "001") == ["127.0.0.1:9001", "127.0.0.1:9002"]
    assert addresses(directory, "006") == ["127.0.0.1:9001"]
    assert recorder.events == ["+127.0.0.1:9001", "+127.0.0.1:9002"]


def test_deregistered_from_one_zone_it_still_serves_the_other() -> None:
    directory = Directory(ZONES)
    recorder = Recorder()
    directory.follow(recorder)
    directory.register("127.0.0.1:9001", "001")
    directory.register("127.0.0.1:9001", "002")
    directory.deregister("127.0.0.1:09001", "001")
    assert (addresses(directory, "001"), addresses(directory, "002")) == ([], ["127.0.0.1:9001"])
    directory.deregister("127.0.0.1:9001", "002")
    assert recorder.events == ["+127.0.0.1:9001", "-127.0.0.1:9001"]
    assert directory.instances() == ()


@pytest.mark.parametrize(
    ("address", "name", "code"),
    [
        ("127.0.0.1:9009", "hello", "NOT_REGISTERED"),
        ("127.0.0.1:9004", "hello", "NOT_REGISTERED"),
        ("127.0.0.1:9001", "hello", "CONFIGURED"),
        ("nonsense", "hello", "BAD_ADDRESS"),
    ],
)
def test_refused_deregistration_changes_nothing(address: str, name: str, code: str) -> None:
    directory = three_hellos()
    directory.register("127.0.0.1:9004", "zone")
    with pytest.raises(RegisterRefused) as caught:
        directory.deregister(address, name)
    assert caught.value.error_code == code
    assert len(directory.instances()) == 4


def test_what_is_configured_for_one_service_may_leave_another_it_registered_for() -> None:
    directory = three_hellos()
    directory.register("127.0.0.1:9001", "zone")
    directory.deregister("127.0.0.1:9001", "zone")
    assert addresses(directory, "zone") == []
    assert len(directory.instances("hello")) == 3


def test_who_stays_down_is_forgotten_in_every_zone_unless_it_is_configured() -> None:
    directory = Directory(SERVICES)
    recorder = Recorder()
    directory.follow(recorder)
    down(directory.add("hello", "127.0.0.1:9001"), since=0.0)
    for name in ("hello", "zone"):
        down(directory.register("127.0.0.1:9002", name).instance, since=100.0)
    up(directory.register("127.0.0.1:9003", "zone").instance)
    assert directory.forget(159.9, 60.0) == []
    assert [instance.address for instance in directory.forget(160.0, 60.0)] == ["127.0.0.1:9002"]
    assert [instance.address for instance in directory.instances()] == ["127.0.0.1:9001", "127.0.0.1:9003"]
    assert recorder.events[-1] == "-127.0.0.1:9002"


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:0"])
def test_refused_registration_changes_nothing(address: str) -> None:
    directory = Directory(SERVICES)
    with pytest.raises(RegisterRefused) as caught:
        directory.register(address, "hello")
    assert caught.value.error_code == "BAD_ADDRESS"
    assert directory.instances() == ()


def test_full_service_gives_up_its_oldest_unhealthy_registered_instance() -> None:
    directory = Directory(SERVICES, max_instances=3)
    configured = directory.add("zone", "127.0.0.1:9001")
    for port in (9002, 9003):
        up(directory.register(f"127.0.0.1:{port}", "zone").instance)
    with pytest.raises(RegisterRefused) as caught:
        directory.register("127.0.0.1:9004", "zone")
    assert caught.value.error_code == "DIRECTORY_FULL"
    down(configured)
    with pytest.raises(RegisterRefused):
        directory.register("127.0.0.1:9004", "zone")
    down(directory.instances("zone")[2])
    recorder = Recorder()
    directory.follow(recorder)
    recorder.events.clear()
    directory.register("127.0.0.1:9004", "zone")
    assert addresses(directory, "zone") == ["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9004"]
    assert recorder.events == ["!127.0.0.1:9003", "+127.0.0.1:9004"]


def test_a_full_zone_refuses_an_address_that_serves_another_one() -> None:
    directory = Directory(ZONES, max_instances=1)
    for port, zone in ((9001, "001"), (9002, "002")):
        up(directory.register(f"127.0.0.1:{port}", zone).instance)
    with pytest.raises(RegisterRefused):
        directory.register("127.0.0.1:9001", "002")
    assert addresses(directory, "001") == ["127.0.0.1:9001"]
