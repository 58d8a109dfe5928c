"""A name is all its addresses: instances come and go with them, and calls under way are answered."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from quicgw_fast.clock import SystemClock
from quicgw_fast.config import split_address
from quicgw_fast.errors import GatewayError
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.upstream.directory import Directory
from quicgw_fast.upstream.errors import RegisterRefused
from quicgw_fast.upstream.journal import UpstreamJournal
from quicgw_fast.upstream.lookup import is_name, lookup
from quicgw_fast.upstream.names import Names
from tests.support.raw_upstream import RawUpstream
from tests.upstream.conftest import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from quicgw_fast.upstream import Upstream

    SideFor = Callable[..., Upstream]
    Start = Callable[[], Awaitable[RawUpstream]]

REQUEST = UpstreamRequest(action="x")


class Zone:
    """What the names mean, as the test says, and how often they were looked up."""

    def __init__(self) -> None:
        self.means: dict[str, list[str]] = {}
        self.asked = 0

    async def resolve(self, host: str) -> list[str]:
        self.asked += 1
        if host not in self.means:
            raise socket.gaierror(socket.EAI_NONAME, "unknown host")
        return self.means[host]


class Street:
    """A directory whose names are kept in step with a zone."""

    def __init__(self, *configured: str) -> None:
        self.zone = Zone()
        self.directory = Directory(("hello", "zone"))
        for address in configured:
            self.directory.add("hello", address)
        clock = SystemClock()
        self.names = Names(self.directory, UpstreamJournal(self.directory, clock), clock, 0.02, self.zone.resolve)

    @property
    def addresses(self) -> list[str]:
        return sorted(instance.address for instance in self.directory.instances("hello"))

    async def looked(self, times: int = 1) -> None:
        """Wait until that many more look-ups were answered."""
        target = self.zone.asked + times + 1
        await until(lambda: self.zone.asked >= target)


@pytest_asyncio.fixture
async def street_of() -> AsyncIterator[Callable[..., Street]]:
    made = []

    def make(*configured: str, **means: list[str]) -> Street:
        street = Street(*configured)
        street.zone.means = means
        street.names.start()
        made.append(street)
        return street

    yield make
    for street in made:
        await street.names.close()


async def test_each_address_is_an_instance_of_that_name(street_of: Callable[..., Street]) -> None:
    street = street_of("many:9001", "127.0.0.9:9001", many=["127.0.0.1", "127.0.0.2", "::1"])
    assert street.addresses == ["127.0.0.9:9001", "many:9001"], "callable before the look-up"
    await until(lambda: len(street.addresses) == 4)
    assert street.addresses == ["127.0.0.1:9001", "127.0.0.2:9001", "127.0.0.9:9001", "[::1]:9001"]
    of_name = {instance.address: instance.authority for instance in street.directory.instances("hello")}
    assert of_name["[::1]:9001"] == "many:9001"
    assert of_name["127.0.0.9:9001"] == "127.0.0.9:9001"


async def test_addresses_come_at_once_and_go_when_two_answers_lack_them(street_of: Callable[..., Street]) -> None:
    street = street_of("many:9001", many=["127.0.0.1", "127.0.0.2"])
    await until(lambda: len(street.addresses) == 2)
    for _ in range(5):  # a server that tells of one at a time
        for ip in ("127.0.0.1", "127.0.0.2"):
            street.zone.means = {"many": [ip]}
            asked = street.zone.asked
            await until(lambda: street.zone.asked > asked)  # noqa: B023 - waited for in this round
    street.zone.means = {"many": ["127.0.0.2", "127.0.0.3"]}
    await until(lambda: "127.0.0.3:9001" in street.addresses)
    await until(lambda: street.addresses == ["127.0.0.2:9001", "127.0.0.3:9001"])


async def test_what_was_known_stays_while_the_look_up_fails(
    street_of: Callable[..., Street], caplog: pytest.LogCaptureFixture
) -> None:
    street = street_of("many:9001", many=["127.0.0.1"])
    await until(lambda: street.addresses == ["127.0.0.1:9001"])
    street.zone.means = {}
    await street.looked(3)
    assert street.addresses == ["127.0.0.1:9001"]
    assert [record.getMessage() for record in caplog.records] == ["upstream name not resolved"]


async def test_a_name_that_was_never_found_is_an_instance_until_it_is(street_of: Callable[..., Street]) -> None:
    street = street_of("many:9001")
    await street.looked()
    assert street.addresses == ["many:9001"]
    street.zone.means = {"many": ["127.0.0.1"]}
    await until(lambda: street.addresses == ["127.0.0.1:9001"])


async def test_an_address_that_is_configured_itself_stays_when_the_name_loses_it(
    street_of: Callable[..., Street],
) -> None:
    street = street_of("many:9001", "127.0.0.1:9001", many=["127.0.0.1", "127.0.0.2"])
    await until(lambda: len(street.addresses) == 2)
    street.zone.means = {"many": ["127.0.0.2"]}
    await street.looked(4)
    assert street.addresses == ["127.0.0.1:9001", "127.0.0.2:9001"]


async def test_an_address_of_a_configured_name_cannot_leave_by_itself(street_of: Callable[..., Street]) -> None:
    street = street_of("many:9001", many=["127.0.0.1"])
    await until(lambda: street.addresses == ["127.0.0.1:9001"])
    with pytest.raises(RegisterRefused) as caught:
        street.directory.deregister("127.0.0.1:9001", "hello")
    assert caught.value.error_code == "CONFIGURED"


async def test_a_name_that_is_configured_no_more_takes_its_addresses_along(street_of: Callable[..., Street]) -> None:
    street = street_of("many:9001", "127.0.0.9:9001", many=["127.0.0.1", "127.0.0.2"])
    await until(lambda: len(street.addresses) == 3)
    street.directory.configure(street.directory.check({"hello": ["127.0.0.9:9001"], "zone": []}), lambda *_: False)
    await until(lambda: street.addresses == ["127.0.0.9:9001"])
    street.directory.configure(street.directory.check({"hello": ["many:9001"], "zone": []}), lambda *_: False)
    await until(lambda: street.addresses == ["127.0.0.1:9001", "127.0.0.2:9001"])


async def test_more_addresses_than_a_service_may_have_stay_away() -> None:
    directory = Directory(("hello",), max_instances=3)
    directory.add("hello", "many:9001")
    directory.expand({"many:9001": [f"127.0.0.{number}:9001" for number in range(1, 9)]})
    assert len(directory.instances()) == 2, "beside the name, which had a place still"
    directory.expand({"many:9001": [f"127.0.0.{number}:9001" for number in range(1, 9)]})
    assert len(directory.instances()) == 3


async def test_calls_under_way_to_an_address_that_goes_are_answered(upstream: Start, side_for: SideFor) -> None:
    """With the system's own look-up, of the one name that is surely known."""
    server = await upstream()
    gate = server.hold("slow")
    port = server.address.rpartition(":")[2]
    side = side_for(f"localhost:{port}", resolve_every=0.1)
    await until(lambda: all(each.name == f"localhost:{port}" for each in side.directory.instances("hello")))
    assert server.address in [each.address for each in side.directory.instances()]
    await until(lambda: any(each.connected for each in side.directory.instances()))
    slow = asyncio.create_task(side.caller.call(UpstreamRequest(action="slow", data=b"x"), 20.0))
    await server.wait_requests(1)
    await side.names.close()
    side.directory.expand({})
    assert side.directory.instances() == ()
    gate.open()
    assert (await slow).data == b"x"


async def test_the_service_is_told_the_name(side_for: SideFor) -> None:
    async with RawUpstream() as server:
        port = server.address.rpartition(":")[2]
        side = side_for(f"localhost:{port}")
        await until(lambda: any(each.name and each.connected for each in side.directory.instances()))
        assert (await side.caller.call(REQUEST, 5.0)).code == 200


async def test_the_look_up_of_the_system_gives_numbers_each_once() -> None:
    found = await lookup("localhost")
    assert "127.0.0.1" in found
    assert len(found) == len(set(found))
    assert not any(is_name(f"[{ip}]:1" if ":" in ip else f"{ip}:1") for ip in found)
    assert is_name("localhost:1")
    assert split_address("localhost:1") == ("localhost", 1)


async def test_an_unknown_host_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match=r".") as caught:
        await lookup("no host has such a name")
    assert not isinstance(caught.value, GatewayError)
