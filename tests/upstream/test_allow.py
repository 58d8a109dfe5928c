"""Where services may register, by address and by name; and that what was judged is what is dialled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.config import RoutingConfig, UpstreamConfig
from quicgw_fast.observe import Metrics
from quicgw_fast.upstream import NoInstance, ServiceMode
from quicgw_fast.upstream import allow as allowing
from quicgw_fast.upstream.allow import AllowList
from quicgw_fast.upstream.registration import Registration
from tests.upstream.test_registration import TO_ZONE, Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.support.raw_upstream import RawUpstream

    Start = Callable[[], Awaitable[RawUpstream]]


class Names:
    """What hosts mean, and how often somebody asked."""

    def __init__(self) -> None:
        self.known: dict[str, list[str]] = {}
        self.asked = 0

    async def __call__(self, host: str) -> list[str]:
        self.asked += 1
        if host not in self.known:
            raise OSError(f"{host} is not known")
        return self.known[host]


class Guarded(Gateway):
    """A gateway that takes registrations where it is told, and asks ``names``."""

    def __init__(self, *entries: str) -> None:
        super().__init__(ServiceMode(RoutingConfig()))
        self.names = Names()
        side = self.side
        side.registration = Registration(
            self.mode,
            side.directory,
            side.channels,
            side.journal,
            side.own,
            AllowList(entries),
            self.clock.face,
            Metrics(),
            self.names,
        )

    @property
    def addresses(self) -> list[str]:
        return [instance.address for instance in self.directory.instances("zone")]


@pytest.fixture
async def guarded() -> AsyncIterator[Callable[..., Guarded]]:
    made = []

    def make(*entries: str) -> Guarded:
        made.append(Guarded(*entries))
        return made[-1]

    yield make
    for gateway in made:
        await gateway.side.channels.close()


async def test_only_what_is_allowed_is_registered(guarded: Callable[..., Guarded], upstream: Start) -> None:
    server = await upstream()
    port = server.address.rpartition(":")[2]
    gateway = guarded("127.0.0.1")
    assert await gateway.ask(server.address) == ("", "registered for zone")
    assert await gateway.ask(f"127.0.0.2:{port}") == (
        "NOT_ALLOWED",
        f"127.0.0.2:{port} may not be registered: upstream.allow does not have it",
    )
    assert (await gateway.ask(f"[::1]:{port}"))[0] == "NOT_ALLOWED"
    assert (await gateway.ask(f"[::ffff:127.0.0.2]:{port}"))[0] == "NOT_ALLOWED"
    assert gateway.addresses == [server.address]


async def test_nobody_may_register_where_nothing_is_allowed(guarded: Callable[..., Guarded], upstream: Start) -> None:
    gateway = guarded()
    assert (await gateway.ask((await upstream()).address))[0] == "NOT_ALLOWED"


async def test_where_no_service_can_be_nobody_may_register_whatever_is_allowed(
    guarded: Callable[..., Guarded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowing, "is_never", lambda ip: str(ip) == "127.0.0.9")
    gateway = guarded("0.0.0.0/0", "*.test")
    gateway.names.known["metadata.test"] = ["127.0.0.9"]
    assert await gateway.ask("127.0.0.9:80") == (
        "NOT_ALLOWED",
        "127.0.0.9:80 may not be registered: no service can be there",
    )
    assert await gateway.ask("metadata.test:80") == (
        "NOT_ALLOWED",
        "metadata.test:80 is 127.0.0.9:80, and may not be registered: no service can be there",
    )


async def test_what_was_judged_is_what_is_dialled_whatever_the_name_means_later(
    guarded: Callable[..., Guarded], upstream: Start
) -> None:
    server = await upstream()
    port = server.address.rpartition(":")[2]
    gateway = guarded("127.0.0.1", "127.0.0.3")
    gateway.names.known["service.test"] = ["127.0.0.1"]
    assert await gateway.ask(f"service.test:{port}") == ("", "registered for zone")
    assert gateway.addresses == [server.address]
    gateway.names.known["service.test"] = ["127.0.0.2"]
    assert (await gateway.side.caller.call(TO_ZONE, 5.0)).code == 200
    assert gateway.names.asked == 1, "nobody asks again"
    assert (await gateway.ask(f"service.test:{port}"))[0] == "NOT_ALLOWED"
    assert gateway.addresses == [server.address], "a renewal that is refused changes nothing"


async def test_of_a_name_the_allowed_addresses_are_dialled_and_follow_it(
    guarded: Callable[..., Guarded], upstream: Start
) -> None:
    server = await upstream()
    port = server.address.rpartition(":")[2]
    gateway = guarded("127.0.0.0/30")
    gateway.names.known["service.test"] = ["127.0.0.9", "127.0.0.1", "127.0.0.2"]
    assert await gateway.ask(f"SERVICE.test.:{port}") == ("", "registered for zone")
    assert gateway.addresses == [server.address, f"127.0.0.2:{port}"]
    gateway.names.known["service.test"] = ["127.0.0.1"]
    assert await gateway.ask(f"service.test:{port}") == ("", "registered for zone")
    assert gateway.addresses == [server.address]
    assert await gateway.ask(f"service.test:{port}", deregister=True) == ("", "deregistered from zone")
    assert gateway.addresses == []
    assert (await gateway.ask(f"service.test:{port}", deregister=True))[0] == "NOT_REGISTERED"


async def test_an_address_that_two_registered_stays_until_both_have_left(
    guarded: Callable[..., Guarded], upstream: Start
) -> None:
    server = await upstream()
    port = server.address.rpartition(":")[2]
    gateway = guarded("127.0.0.1")
    gateway.names.known["service.test"] = ["127.0.0.1"]
    for written in (server.address, f"service.test:{port}"):
        assert (await gateway.ask(written))[0] == ""
    assert (await gateway.ask(server.address, deregister=True))[0] == ""
    assert gateway.addresses == [server.address]
    assert (await gateway.ask(f"service.test:{port}", deregister=True))[0] == ""
    assert gateway.addresses == []


async def test_a_name_that_nobody_knows_may_come_again(
    guarded: Callable[..., Guarded], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = guarded("0.0.0.0/0")
    assert await gateway.ask("nobody.test:9001") == (
        "UNKNOWN_HOST",
        "nobody.test:9001 cannot be looked up: nobody.test is not known",
    )
    gateway.names.known["empty.test"] = []
    assert await gateway.ask("empty.test:9001") == ("UNKNOWN_HOST", "empty.test:9001 has no address")

    async def hang(_: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(allowing, "PATIENCE", 0.02)
    gateway.side.registration._resolve = hang
    assert (await gateway.ask("slow.test:9001"))[1] == "slow.test:9001 cannot be looked up: no answer within 0.02 s"


async def test_who_is_not_on_another_list_leaves(
    guarded: Callable[..., Guarded], upstream: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = await upstream()
    gateway = guarded("127.0.0.1")
    await gateway.ask(server.address)
    gateway.side.registration.reconfigure(AllowList(["127.0.0.0/8"]))
    assert gateway.addresses == [server.address]
    gateway.side.registration.reconfigure(AllowList(["127.0.0.2"]))
    assert gateway.addresses == []
    assert [vars(r)["address"] for r in caplog.records if r.getMessage() == "upstream taken out"] == [server.address]
    with pytest.raises(NoInstance):
        await gateway.side.caller.call(TO_ZONE, 5.0)
    assert (await gateway.ask(server.address))[0] == "NOT_ALLOWED"


async def test_a_reload_takes_the_list(upstream: Start) -> None:
    gateway = Gateway(ServiceMode(RoutingConfig()))
    server = await upstream()
    assert (await gateway.ask(server.address))[0] == ""
    take = await gateway.side.prepare(UpstreamConfig(allow=("127.0.0.2",)), RoutingConfig())
    assert len(gateway.directory.instances()) == 1, "nothing has changed yet"
    take()
    assert gateway.directory.instances() == ()
    await gateway.side.channels.close()
