"""Ready means that somebody could log in; the log says when that changes, and not before it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.config import RoutingConfig, UpstreamConfig
from quicgw_fast.upstream import ZoneMode
from tests.support import strangers
from tests.upstream.conftest import side_of, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

    from tests.support.raw_upstream import RawUpstream

    Start = Callable[[], Awaitable[RawUpstream]]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "ready" in record.getMessage()]


async def test_nothing_configured_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    side = side_of(UpstreamConfig(business=("127.0.0.1:1",)))
    assert side.readiness.reason() == "no instance of hello is configured or registered"
    for _ in range(3):
        side.tend(0.0)
    assert said(caplog) == ["not ready"]
    await side.close()


async def test_nobody_is_needed_for_a_login_by_token(caplog: pytest.LogCaptureFixture) -> None:
    side = side_of(UpstreamConfig(), hello=False)
    side.tend(0.0)
    assert side.readiness.reason() is None
    assert not said(caplog)
    await side.close()


async def test_it_follows_the_instances_of_hello(upstream: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "quicgw.upstream")
    server, other = await upstream(), await upstream()
    side = side_of(UpstreamConfig(hello=(server.address,), business=(other.address,)))
    assert side.readiness.reason() == f"no instance of hello is in service ({server.address}: not connected yet)"
    await until(lambda: side.readiness.reason() is None)
    address = server.address
    await server.stop()
    await until(lambda: side.readiness.reason() is not None)
    assert side.readiness.reason() == f"no instance of hello is in service ({address}: nothing listens there)"
    await server.start(address)
    await until(lambda: side.readiness.reason() is None)
    assert said(caplog) == ["not ready", "ready again"], "what comes up at once is no news"
    await side.close()


async def test_many_instances_are_not_all_named() -> None:
    side = side_of(UpstreamConfig(hello=tuple(f"127.0.0.1:{port}" for port in range(1, 6))))
    reason = side.readiness.reason()
    assert reason is not None
    assert reason.count("127.0.0.1") == 3
    assert reason.endswith(" and 2 more)")
    await side.close()


async def test_in_zone_mode_one_zone_is_enough_and_a_promise_is_not(upstream: Start) -> None:
    server = await upstream()
    side = side_of(UpstreamConfig(), ZoneMode(RoutingConfig()))
    assert side.readiness.reason() == "no instance of any zone is configured or registered"
    with strangers.nothing() as address:
        side.directory.register(address, "001")
        assert str(side.readiness.reason()).startswith("no instance of any zone is in service (")
        instance = side.directory.register(server.address, "005").instance
        assert await side.channels.wait_reached(instance, 5.0)
    assert side.readiness.reason() is None
    side.directory.deregister(server.address, "005")
    assert side.readiness.reason() is not None
    await side.close()
