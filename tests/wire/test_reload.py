"""A real ``quicgw serve`` takes other settings, certificates and keys while clients call, and loses nobody."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

import jwt
import pytest

from quicgw_fast.proto import client_pb2 as pb
from tests.support import raw_client, wire
from tests.support.hook_receiver import HookReceiver
from tests.support.parts import WHICHEVER_ENGINE
from tests.support.raw_upstream import RawUpstream
from tests.support.site import Site, ask, calling, counted, logged, online, reload, replace, shown, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.gateway_process import GatewayProcess
    from tests.support.parts import Parts
    from tests.support.raw_client import RawClient


pytestmark = WHICHEVER_ENGINE


@pytest.fixture
async def upstream() -> AsyncIterator[RawUpstream]:
    async with RawUpstream("first") as service:
        yield service


@pytest.fixture
def site(tmp_path: Path, upstream: RawUpstream) -> Site:
    return Site(tmp_path, upstream)


def token(openid: str, secret: bytes) -> str:
    return jwt.encode({"sub": openid, "exp": int(time.time()) + 600}, secret, algorithm="HS256")


async def test_everything_at_once_twenty_times_while_clients_call(
    parts: Parts, site: Site, upstream: RawUpstream
) -> None:
    """Times, limits, routing, services, certificate and keys of tokens change; 0 connections and 0 replies are lost."""
    secrets = [f"secret number {turn} of at least thirty-two bytes".encode() for turn in range(21)]
    key = site.config.with_name("secret")
    replace(key, secrets[-1])
    site.tables["auth"] = {"mode": "jwt", "key_file": str(key)}
    async with (
        RawUpstream("second") as second,
        site.serve(parts) as gateway,
        calling(gateway, token_of=lambda openid: token(openid, secrets[-1])) as callers,
    ):
        for turn in range(20):
            replace(key, secrets[turn])
            others = [[upstream.address], [second.address], [upstream.address, second.address]][turn % 3]
            site.tables["processor"] = {"task_timeout": f"{10 + turn}s"}
            site.tables["limits"]["in_flight"] = 10 + turn
            site.tables["upstream"] |= {"zone": others, "business": others}
            site.tables["routing"] = {"default": ["business", "hello", "zone"][turn % 3]}
            certificate = site.renew()
            site.write()
            if turn % 2:
                gateway.signal(signal.SIGHUP)
                await until(lambda wanted=turn + 1: reloads(gateway, wanted), "the reload")
            else:
                assert {"processor.task_timeout", "limits.in_flight"} <= set((await reload(gateway))["changed"])
            async with await raw_client.connect(*gateway.ready.quic) as late:
                assert late.peer_certificate == certificate
                assert not (await late.start("late", token("late", secrets[turn - 1]))).success
            new = await online(gateway, "new", token("new", secrets[turn]))
            await new.close()
            await callers.more(8)
        stats = (await ask(gateway, "/stats"))[1]
        assert stats["counters"]["config_reloads_applied"] == 20
        assert stats["counters"]["config_reloads_refused"] == 0
        closes = {name: count for name, count in stats["closes"]["gateway"].items() if count}
        assert closes == {"AUTH_FAILED": 20}, "those that came with an old token"
    seen = {service.name for service in (upstream, second) if service.requests}
    assert seen == {"first", "second"}


async def reloads(gateway: GatewayProcess, wanted: int) -> bool:
    return bool(await counted(gateway, "config_reloads_applied") >= wanted)


async def test_a_broken_file_is_refused_and_said_and_the_old_one_kept(parts: Parts, site: Site) -> None:
    async with site.serve(parts) as gateway, calling(gateway, 2) as callers:
        before = site.certificate
        replace(site.config, site.config.read_bytes() + b"[sesion]\ntimeout = 5\n")
        status, answer = await ask(gateway, "/reload", "POST")
        assert (status, "sesion: unknown table" in answer["error"]["message"]) == (409, True)
        gateway.signal(signal.SIGHUP)
        (_, line) = await logged(gateway, "configuration refused", 2)
        assert "sesion: unknown table" in str(line["explanation"])
        assert str(site.config) in str(line["explanation"])
        assert line["cause"] == "SIGHUP"
        assert await shown(gateway) == before
        assert await counted(gateway, "config_reload_ok", "gauges") == 0
        await callers.more()
        site.write()
        await reload(gateway)
        assert await counted(gateway, "config_reload_ok", "gauges") == 1


async def test_a_certificate_without_its_key_changes_nothing(parts: Parts, site: Site) -> None:
    """Nothing at all: also what would be good in the same file is not taken."""
    async with site.serve(parts) as gateway:
        before, key = site.certificate, site.key.read_bytes()
        site.renew()
        new_key = site.key.read_bytes()
        replace(site.key, key)
        site.tables["session"] = {"heartbeat_interval": "9s"}
        site.write()
        status, answer = await ask(gateway, "/reload", "POST")
        assert status == 409
        assert "does not belong to the first certificate" in answer["error"]["message"]
        assert await shown(gateway) == before
        async with await raw_client.connect(*gateway.ready.quic) as client:
            assert (await client.start("alice")).heartbeat_interval == 30
        replace(site.key, new_key)
        answer = await reload(gateway)
        assert sorted(answer["files"]) == ["tls.cert", "tls.key"]
        assert await shown(gateway) == site.certificate
        async with await raw_client.connect(*gateway.ready.quic) as client:
            assert (await client.start("alice")).heartbeat_interval == 9


async def test_a_removed_key_stops_working_for_who_comes_and_not_for_who_is_there(parts: Parts, site: Site) -> None:
    old, new = b"the old secret of at least thirty-two bytes", b"the new secret of at least thirty-two bytes"
    secret = site.config.with_name("secret")
    replace(secret, old)
    site.tables["auth"] = {"mode": "jwt", "key_file": str(secret)}
    async with site.serve(parts) as gateway:
        client = await online(gateway, "alice", token("alice", old))
        replace(secret, new)
        assert (await reload(gateway))["files"] == ["auth.key_file"]
        assert wire.business(await client.call("echo")).code == 200, "a session that is there stays"
        async with await raw_client.connect(*gateway.ready.quic) as another:
            assert not (await another.start("bob", token("bob", old))).success
        assert wire.error(await renewed(client, token("alice", old))).error_code == 401, "the old key renews nothing"
        assert (await renewed(client, token("alice", new))).headers["auth-refresh"] == "ok"
        bob = await online(gateway, "bob", token("bob", new))
        for one in (client, bob):
            await one.close()


async def renewed(client: RawClient, text: str) -> pb.ServerPush:
    beat = pb.HeartbeatRequest(client_timestamp=1).SerializeToString()
    return await client.reply(client.request(pb.REQUEST_HEARTBEAT, beat, headers={"auth-token": text}))


async def test_many_at_once_are_taken_in_turn(parts: Parts, site: Site) -> None:
    async with site.serve(parts) as gateway, calling(gateway, 2) as callers:
        site.tables["session"] = {"resume_window": "77s"}
        site.write()
        for _ in range(20):
            gateway.signal(signal.SIGHUP)
        answers = await asyncio.gather(*(ask(gateway, "/reload", "POST") for _ in range(8)))
        assert {status for status, _ in answers} == {200}
        taken = [answer["changed"] for _, answer in answers if answer["changed"]]
        assert len(taken) <= 1
        await callers.more()


async def test_webhooks_are_taken_by_a_reload_and_a_table_written_twice_is_refused(parts: Parts, site: Site) -> None:
    with HookReceiver() as receiver:
        async with site.serve(parts) as gateway:
            site.tables["webhook"] = {"urls": [receiver.url], "kinds": ["ATTACHED"]}
            site.write()
            changed = (await reload(gateway))["changed"]
            assert set(changed) == {"webhook.urls", "webhook.kinds"}
            assert receiver.url in changed["webhook.urls"]["now"]
            client = await online(gateway, "alice")
            await until(lambda: _is_true(receiver.events), "the event")
            assert [event["openid"] for event in receiver.events] == ["alice"]
            await client.close()
            replace(site.config, site.config.read_bytes().replace(b"[webhook]", b"[[webhook]]"))
            status, answer = await ask(gateway, "/reload", "POST")
            assert (status, answer["error"]["code"]) == (409, "NOT_RELOADED")
            assert "write [webhook] on a line of its own" in answer["error"]["message"], answer
            assert str(site.config) in answer["error"]["message"]


async def _is_true(found: object) -> bool:
    return bool(found)
