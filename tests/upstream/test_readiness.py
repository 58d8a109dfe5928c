"""Ready means that somebody could log in; the log says when that changes, and not before it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.config import RoutingConfig
from quicgw_fast.upstream import SERVICES, ZONES, BalancingCaller, Directory, ZoneMode
from tests.support import strangers
from tests.upstream.conftest import ALL_TO_HELLO, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

    from tests.support.raw_upstream import RawUpstream

    Start = Callable[[], Awaitable[RawUpstream]]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "ready" in record.getMessage()]


async def test_nothing_configured_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    directory = Directory(SERVICES)
    directory.add("business", "127.0.0.1:1")
    caller = BalancingCaller(ALL_TO_HELLO, directory).start()
    assert caller.readiness.reason() == "no instance of hello is configured or registered"
    for _ in range(3):
        caller.round(0.0)
    assert said(caplog) == ["not ready"]
    await caller.close()


async def test_it_follows_the_instances_of_hello(upstream: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "quicgw.upstream")
    server, other = await upstream(), await upstream()
    directory = Directory(SERVICES)
    directory.add("hello", server.address)
    directory.add("business", other.address)
    caller = BalancingCaller(ALL_TO_HELLO, directory).start()
    assert caller.readiness.reason() == f"no instance of hello is in service ({server.address}: not connected yet)"
    await until(lambda: caller.readiness.reason() is None)
    address = server.address
    await server.stop()
    await until(lambda: caller.readiness.reason() is not None)
    assert caller.readiness.reason() == f"no instance of hello is in service ({address}: nothing listens there)"
    await server.start(address)
    await until(lambda: caller.readiness.reason() is None)
    assert said(caplog) == ["not ready", "ready again"], "what comes up at once is no news"
    await caller.close()


async def test_many_instances_are_not_all_named() -> None:
    directory = Directory(SERVICES)
    for port in range(1, 6):
        directory.add("hello", f"127.0.0.1:{port}")
    caller = BalancingCaller(ALL_TO_HELLO, directory).start()
    reason = caller.readiness.reason()
    assert reason is not None
    assert reason.count("127.0.0.1") == 3
    assert reason.endswith(" and 2 more)")
    await caller.close()


async def test_in_zone_mode_one_zone_is_enough_and_a_promise_is_not(upstream: Start) -> None:
    server = await upstream()
    directory = Directory(ZONES)
    caller = BalancingCaller(ZoneMode(RoutingConfig()), directory).start()
    assert caller.readiness.reason() == "no instance of any zone is configured or registered"
    with strangers.nothing() as address:
        directory.register(address, "001")
        assert str(caller.readiness.reason()).startswith("no instance of any zone is in service (")
        instance = directory.register(server.address, "005").instance
        assert await caller.wait_reached(instance, 5.0)
    assert caller.readiness.reason() is None
    directory.deregister(server.address, "005")
    assert caller.readiness.reason() is not None
    await caller.close()
