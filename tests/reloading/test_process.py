"""What a real ``quicgw serve`` makes of signals and of files that change; the same whatever it is made of."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support import raw_client, wire
from tests.support.parts import Parts
from tests.support.raw_upstream import RawUpstream
from tests.support.site import Site, ask, calling, counted, logged, online, reload, shown, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.gateway_process import GatewayProcess


@pytest.fixture
def parts() -> Parts:
    return Parts()


@pytest.fixture
async def upstream() -> AsyncIterator[RawUpstream]:
    async with RawUpstream() as service:
        yield service


@pytest.fixture
def site(tmp_path: Path, upstream: RawUpstream) -> Site:
    return Site(tmp_path, upstream)


async def test_flags_and_environment_stay_over_the_file(parts: Parts, site: Site) -> None:
    gateway = site.serve(parts, "--quic", "127.0.0.1:0")
    gateway._environment["QUICGW_SESSION__HEARTBEAT_INTERVAL"] = "11s"
    async with gateway:
        site.tables["server"]["quic"] = "127.0.0.1:1"
        site.tables["session"] = {"heartbeat_interval": "9s", "resume_window": "77s"}
        site.write()
        answer = await reload(gateway)
        assert set(answer["changed"]) == {"session.resume_window"}
        assert answer["needs_restart"] == {}
        async with await raw_client.connect(*gateway.ready.quic) as client:
            started = await client.start("alice")
            assert (started.heartbeat_interval, started.resume_window) == (11, 77)


async def test_links_that_are_swapped_are_noticed(parts: Parts, site: Site, tmp_path: Path) -> None:
    """As Kubernetes does it: each file is a link through ``..data``, which is put elsewhere in one step."""
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        site.renew()
        (folder / "cert.pem").write_bytes(site.cert.read_bytes())
        (folder / "key.pem").write_bytes(site.key.read_bytes())
    data = tmp_path / "..data"
    data.symlink_to("one")
    for path in (site.cert, site.key):
        path.unlink()
        path.symlink_to(f"..data/{path.name}")
    site.tables["server"]["watch"] = "50ms"
    async with site.serve(parts) as gateway:
        assert not await shows(gateway, site.certificate)
        new = tmp_path / "..data_tmp"
        new.symlink_to("two")
        new.replace(data)
        await until(lambda: shows(gateway, site.certificate), "the new certificate")


async def test_a_file_half_written_is_waited_for(parts: Parts, site: Site) -> None:
    site.tables["server"]["watch"] = "50ms"
    async with site.serve(parts) as gateway:
        site.tables["session"] = {"heartbeat_interval": "9s"}
        whole = site.config.read_bytes() + b'[session]\nheartbeat_interval = "9s"\n'
        with site.config.open("wb") as file:
            for start in range(0, len(whole), len(whole) // 20 + 1):
                file.write(whole[start : start + len(whole) // 20 + 1])
                file.flush()
                await asyncio.sleep(0.02)
        await logged(gateway, "setting changed")
        assert await counted(gateway, "config_reloads_refused") == 0


async def test_no_signal_kills_silently(site: Site, parts: Parts) -> None:
    names = ("SIGUSR1", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPIPE", "SIGHUP")
    async with site.serve(parts) as gateway, calling(gateway, 1) as callers:
        for name in names:
            gateway.signal(signal.Signals[name])
        gateway.signal(signal.SIGRTMIN + 1)
        await logged(gateway, "configuration reloaded")
        await logged(gateway, "numbers")
        ignored = {line["signal"] for line in await logged(gateway, "signal ignored", 5)}
        assert {"SIGALRM", "SIGVTALRM", "SIGPROF"} <= ignored
        await callers.more()
        assert gateway.status is None


async def test_a_gateway_that_stops_takes_nothing_new(parts: Parts, site: Site, upstream: RawUpstream) -> None:
    gate = upstream.hold("slow")
    async with site.serve(parts) as gateway:
        client = await online(gateway, "alice")
        message = client.business("slow")
        await upstream.wait_requests(1, "slow")
        gateway.terminate()
        async with asyncio.timeout(20):
            while (await asyncio.to_thread(status_of, gateway, "/readyz")) != 503:
                await asyncio.sleep(0.01)
        site.tables["session"] = {"heartbeat_interval": "9s"}
        site.write()
        status, answer = await ask(gateway, "/reload", "POST")
        assert (status, answer["error"]["message"]) == (409, "the gateway stops and takes no other configuration")
        gateway.signal(signal.SIGHUP)
        await logged(gateway, "configuration refused", 2)
        gate.open()
        assert wire.business(await client.reply(message)).code == 200
        assert await gateway.wait() == 0
        await client.close()


async def test_a_file_that_changes_is_noticed(parts: Parts, site: Site) -> None:
    site.tables["server"]["watch"] = "50ms"
    async with site.serve(parts) as gateway:
        certificate = site.renew()
        await until(lambda: shows(gateway, certificate), "the new certificate")
        site.tables["session"] = {"heartbeat_interval": "9s"}
        site.write()
        await logged(gateway, "setting changed")
        lines = await logged(gateway, "configuration reloaded", 2)
        assert {line["cause"] for line in lines} == {"watch"}


async def test_what_needs_a_restart_is_named_and_the_rest_is_taken(parts: Parts, site: Site) -> None:
    async with site.serve(parts) as gateway:
        site.tables["server"]["quic"] = "127.0.0.1:1"
        site.tables["processor"] = {"max_queue_size": 7, "task_timeout": "9s"}
        site.write()
        answer = await reload(gateway)
        assert set(answer["needs_restart"]) == {"server.quic", "processor.max_queue_size"}
        assert answer["needs_restart"]["processor.max_queue_size"] == {"stays": "10000", "written": "7"}
        assert answer["changed"] == {"processor.task_timeout": {"before": "30s", "now": "9s"}}
        lines = await logged(gateway, "setting needs a restart", 2)
        assert {line["setting"] for line in lines} == {"server.quic", "processor.max_queue_size"}
        again = await reload(gateway)
        assert again["needs_restart"] == answer["needs_restart"], "they are named until there was one"
        assert again["changed"] == {}


async def shows(gateway: GatewayProcess, certificate: object) -> bool:
    return await shown(gateway) == certificate


def status_of(gateway: GatewayProcess, path: str) -> int:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"http://{gateway.ready.admin}{path}", timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
