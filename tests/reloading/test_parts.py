"""A gateway in the test's own loop, each of whose parts takes what the file says now."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast import backend as backends
from quicgw_fast.config import located, split_address
from quicgw_fast.gateway import Gateway
from quicgw_fast.reloading import Origin, ReloadRefused
from tests.support import raw_client, wire
from tests.support.raw_upstream import RawUpstream
from tests.support.site import Site, replace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.support.parts import Parts
    from tests.support.raw_client import RawClient


@pytest.fixture
async def upstream() -> AsyncIterator[RawUpstream]:
    async with RawUpstream() as service:
        yield service


@pytest.fixture
def site(tmp_path: Path, upstream: RawUpstream, parts: Parts) -> Site:
    return Site(tmp_path, upstream, **parts.tables)


@pytest.fixture
async def gateway(site: Site, parts: Parts) -> AsyncIterator[Gateway]:
    read = partial(located, site.config)
    with read() as config:
        made = Gateway(config, engine=backends.load(parts.engine), dev=True, origin=Origin(read, site.config))
    async with made:
        yield made


@pytest.fixture(autouse=True)
def root_level() -> Iterator[None]:
    """A gateway sets the level of all logging."""
    before = logging.getLogger().level
    yield
    logging.getLogger().setLevel(before)


async def take(gateway: Gateway, site: Site, **tables: dict[str, Any]) -> None:
    """Have the gateway take what the file says with these tables."""
    for name, table in tables.items():
        site.tables[name] = {**site.tables.get(name, {}), **table}
    site.write()
    await gateway.reloader.reload("test")


async def connected(gateway: Gateway) -> RawClient:
    return await raw_client.connect(*split_address(gateway.addresses.quic))


async def test_certificate_and_key(gateway: Gateway, site: Site) -> None:
    for renew in (lambda: site.certificate, site.renew):
        certificate = renew()
        await take(gateway, site)
        async with await connected(gateway) as client:
            assert client.peer_certificate == certificate
    expires = gateway.stats()["gauges"]["certificate_expires"]
    assert expires == site.certificate.not_valid_after_utc.timestamp()


async def test_services_and_routing(gateway: Gateway, site: Site, upstream: RawUpstream) -> None:
    async with RawUpstream() as other, await connected(gateway) as client:
        await client.start("alice")
        assert wire.business(await client.hello()).code == 200
        await take(gateway, site, upstream={"zone": [other.address]}, routing={"default": "zone"})
        assert wire.business(await client.call("anything")).code == 200
        assert [len(service.requests) for service in (upstream, other)] == [1, 1]


async def test_who_may_come_in(gateway: Gateway, site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    replace(secret, b"a secret of at least thirty-two bytes")
    await take(gateway, site, auth={"mode": "jwt", "key_file": str(secret)})
    async with await connected(gateway) as client:
        assert not (await client.start("alice", "no token")).success
    await take(gateway, site, auth={"mode": "none"})
    async with await connected(gateway) as client:
        assert (await client.start("alice")).success


async def test_limits(gateway: Gateway, site: Site) -> None:
    await take(gateway, site, limits={"in_flight": 7})
    async with await connected(gateway) as client:
        await client.start("alice")
        assert client.start_push is not None
        assert client.start_push.headers["limit-in-flight"] == "7"


async def test_times_and_the_level_of_the_log(gateway: Gateway, site: Site) -> None:
    await take(gateway, site, session={"heartbeat_interval": "7s"}, log={"level": "error"})
    async with await connected(gateway) as client:
        assert (await client.start("alice")).heartbeat_interval == 7
    assert logging.getLogger().level == logging.ERROR


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"tls": {"cert": "/absent"}}, "the certificate /absent cannot be read"),
        ({"tls": {"key": ""}}, "tls.key"),
        ({"auth": {"mode": "jwt", "key_file": "/absent"}}, "auth.key_file: cannot read /absent"),
        ({"routing": {"default": "nowhere"}}, "routing.default names the service 'nowhere'"),
        ({"upstream": {"hello": ["127.0.0.1:0"]}}, "port 0"),
    ],
)
async def test_what_cannot_be_used_is_refused_and_nothing_of_it_taken(
    gateway: Gateway, site: Site, tables: dict[str, dict[str, Any]], told: str
) -> None:
    with pytest.raises(ReloadRefused, match=told):
        await take(gateway, site, **tables, session={"heartbeat_interval": "7s"})
    async with await connected(gateway) as client:
        assert client.peer_certificate == site.certificate
        assert (await client.start("alice")).heartbeat_interval == 30
        assert wire.business(await client.hello()).code == 200


async def test_without_a_file_the_files_that_are_named_are_read_again(site: Site, parts: Parts) -> None:
    with located(site.config) as config:
        gateway = Gateway(config, engine=backends.load(parts.engine), dev=True)
    async with gateway:
        certificate = site.renew()
        assert (await gateway.reloader.reload("test")).files == ("tls.cert", "tls.key")
        async with await connected(gateway) as client:
            assert client.peer_certificate == certificate
    with pytest.raises(ReloadRefused, match="the gateway stops"):
        await gateway.reloader.reload("test")
