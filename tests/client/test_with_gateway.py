"""The client against the real gateway, as processes: what the scripted one cannot prove."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

import quicgw_fast.client as sdk
from quicgw_fast.auth import issue_token
from quicgw_fast.client import (
    ConnectionClosed,
    DeadlineExceeded,
    Reconnect,
    SessionReset,
    State,
    Unauthorized,
    UpstreamError,
)
from quicgw_fast.codes import CloseCode, ResetReason
from tests.client.conftest import FAST, States
from tests.support.gateway_process import GatewayProcess, Ready
from tests.support.udp_proxy import Impairment, UdpProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.parts import Ends

DEV = ("dev", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0")
SECRET = "a secret for tests that nobody else has, long enough"


@pytest.fixture
async def ready(ends: Ends) -> AsyncIterator[Ready]:
    async with GatewayProcess.dev(parts=ends.gateway) as process:
        yield process.ready


def address_of(ready: Ready) -> str:
    return f"{ready.quic[0]}:{ready.quic[1]}"


async def test_the_life_of_a_client(ready: Ready, states: States) -> None:
    async with sdk.connect(address_of(ready), openid="alice", insecure=True, on_state=states) as client:
        assert client.hello is not None
        assert client.hello.headers["gid"] == "gid-alice"
        reply = await client.call("before", data=b"bound")
        early = await client.next_notify(timeout=5)
        assert (early.data, early.seq_id) == (b"bound", reply.seq_id - 1)
        reply = await client.call("after", data=b"bound")
        late = await client.next_notify(timeout=5)
        assert (late.data, late.seq_id) == (b"bound", reply.seq_id + 1)
        with pytest.raises(UpstreamError) as failed:
            await client.call("fail", params={"grpc": "1"})
        assert failed.value.seq_id == late.seq_id + 1
        with pytest.raises(DeadlineExceeded):
            await client.call("sleep", params={"ms": "2000"}, headers={"timeout-ms": "100"})
        assert (await client.call("fail")).code == 500
        await client.close()
    assert states.names == ["connecting", "connected", "closed"]


async def test_the_limits_of_a_session_are_kept_by_the_client(ready: Ready) -> None:
    async with sdk.connect(address_of(ready), openid="alice", insecure=True) as client:
        calls = [client.submit("sleep", params={"ms": "100"}) for _ in range(70)]
        assert all(reply.ok for reply in await asyncio.gather(*calls))
        for number in range(250):
            assert (await client.call("echo", data=b"%d" % number)).ok
        assert client.stats.repeated == 0, "the gateway refused none"


async def test_calls_made_while_away_are_not_refused(states: States, ends: Ends) -> None:
    async with GatewayProcess.dev(parts=ends.gateway) as first:
        client = await sdk.connect(
            address_of(first.ready), openid="alice", insecure=True, heartbeat=0.2, reconnect=FAST, on_state=states
        )
        try:
            await first.kill()
            await states.reach(State.RECONNECTING)
            calls = [client.submit("echo", data=b"%d" % number) for number in range(300)]
            quic = "{}:{}".format(*first.ready.quic)
            async with GatewayProcess(*DEV, "--quic", quic, parts=ends.gateway):
                replies = await asyncio.gather(*calls)
            assert [reply.data for reply in replies] == [b"%d" % number for number in range(300)]
        finally:
            await client.close()


@pytest.mark.parametrize("size", [600_000, 900_000])
async def test_large_echoes_are_never_a_reset(ready: Ready, states: States, size: int) -> None:
    async with sdk.connect(address_of(ready), openid="alice", insecure=True, on_state=states) as client:
        for number in range(8):
            assert (await client.call("echo", data=bytes([number]) * size)).data == bytes([number]) * size
        replies = await asyncio.gather(*(client.call("echo", data=bytes(size)) for _ in range(4)))
        assert all(len(reply.data) == size for reply in replies), "nor at once: what is on its way is counted"
        assert states.names == ["connecting", "connected"]


async def test_the_newer_client_wins(ready: Ready) -> None:
    async with (
        sdk.connect(address_of(ready), openid="alice", insecure=True) as first,
        sdk.connect(address_of(ready), openid="alice", insecure=True) as second,
    ):
        with pytest.raises(ConnectionClosed) as caught:
            await first.next_notify(timeout=5)
        assert caught.value.code == CloseCode.SUPERSEDED
        assert (await second.call("echo", data=b"x")).data == b"x"


async def test_a_ticket_works_for_another_client(ready: Ready) -> None:
    first = await sdk.connect(address_of(ready), openid="alice", insecure=True)
    ticket = await first.detach()
    async with sdk.connect(address_of(ready), openid="bob", insecure=True) as bob:
        reply = await bob.call("notification", params={"target_type": "openid", "target_id": "alice"}, data=b"for you")
        assert reply.ok
    async with sdk.connect(address_of(ready), openid="alice", insecure=True, resume=ticket) as second:
        assert second.resumed
        assert (await second.next_notify(timeout=5)).data == b"for you"


async def test_a_killed_gateway_is_an_explicit_reset(states: States, ends: Ends) -> None:
    async with GatewayProcess.dev(parts=ends.gateway) as first:
        port = first.ready.quic[1]
        client = await sdk.connect(
            f"127.0.0.1:{port}", openid="alice", insecure=True, heartbeat=0.5, reconnect=FAST, on_state=states
        )
        try:
            call = client.submit("sleep", params={"ms": "20000"})
            await client.call("echo")
            await first.kill()
            async with GatewayProcess(*DEV, "--quic", f"127.0.0.1:{port}", parts=ends.gateway):
                restarted = time.monotonic()
                with pytest.raises(SessionReset):
                    await call
                assert time.monotonic() - restarted < 5
                await states.reach(State.CONNECTED, count=2)
                event = await states.reach(State.RESET)
                assert event.reason == ResetReason.UNKNOWN_SESSION
                assert (await client.call("echo", data=b"x")).data == b"x"
        finally:
            await client.close()


async def test_tokens_are_refreshed_before_they_expire(tmp_path: Path, ends: Ends) -> None:
    key = tmp_path / "secret"
    key.write_text(SECRET)
    config = tmp_path / "gateway.toml"
    config.write_text(f'[auth]\nmode = "jwt"\nkey_file = "{key}"\n')
    made = []

    def token() -> str:
        made.append(issue_token("alice", key, ttl=2, wall=time.time()))
        return made[-1]

    async with GatewayProcess.dev("--config", str(config), parts=ends.gateway) as process:
        address = address_of(process.ready)
        with pytest.raises(Unauthorized):
            await sdk.connect(address, openid="alice", token="forged", insecure=True)
        async with sdk.connect(address, openid="alice", token=token, insecure=True, reconnect=False) as client:
            async with asyncio.timeout(10):
                while client.stats.refreshes < 2:
                    await asyncio.sleep(0.05)
            assert (await client.call("echo", data=b"x")).data == b"x"
            with pytest.raises(Unauthorized):
                await client.refresh_token("forged")
            await client.refresh_token(issue_token("alice", key, ttl=60, wall=time.time()))
            assert client.stats.connects == 1


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_bad_network(ready: Ready, seed: int) -> None:
    """Loss, reordering, duplicates, and now and then nothing at all: every call once, every notify once, in order."""
    bad = Impairment(loss=0.05, delay=0.005, jitter=0.01, duplicate=0.05)
    async with UdpProxy(ready.quic, seed=seed, up=bad, down=bad) as proxy:
        client = await sdk.connect(
            f"127.0.0.1:{proxy.address[1]}",
            openid="alice",
            insecure=True,
            heartbeat=0.4,
            reconnect=Reconnect(base=0.01, cap=0.1, attempt_timeout=3),
        )
        try:
            numbers = []
            for batch in range(20):
                if batch % 7 == 3:
                    proxy.blackhole(seconds=1.5)
                calls = [client.submit("after", data=b"%d.%d" % (batch, n), timeout=30) for n in range(5)]
                replies = await asyncio.gather(*calls)
                assert [reply.data for reply in replies] == [b"%d.%d" % (batch, n) for n in range(5)]
                numbers += [reply.seq_id for reply in replies]
            notifies = [await client.next_notify(timeout=10) for _ in range(100)]
            assert sorted(n.data for n in notifies) == sorted(b"%d.%d" % (b, n) for b in range(20) for n in range(5))
            assert sorted(numbers + [n.seq_id for n in notifies]) == list(range(2, 202))
            assert client.stats.resumes >= 1
            assert client.stats.resets == 0
        finally:
            await client.close()
