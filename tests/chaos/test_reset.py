"""When something must be lost, it is told: one explicit reset, with the exact size of the gap."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING

import grpc
import pytest

from quicgw_fast.proto import client_pb2 as pb
from tests.support.chaos_client import ChaosClient, Habits
from tests.support.checker import Ledger, compare, lost
from tests.support.gateway_process import GatewayProcess
from tests.support.raw_upstream import RawPusher, RawUpstream
from tests.support.udp_proxy import UdpProxy
from tests.support.wire import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.parts import Parts
    from tests.support.world import World, WorldMaker

PATIENT = Habits(dead_after=1.0, forgetful=False)


async def push(world: World, ledger: Ledger, openid: str, number: int) -> bool:
    push_id = f"p{number}"
    ledger.sending(push_id)
    reply = await world.pusher.push(openid, data=push_id.encode())
    ledger.outcome(push_id, reply.success, reply.error_code)
    return reply.success


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rounds", [1, 3])
async def test_an_overflow_during_an_outage_is_one_reset_with_the_exact_gap(
    make_world: WorldMaker, rounds: int, seed: int
) -> None:
    world = await make_world(session={"window_messages": 40})
    ledger = Ledger()
    async with UdpProxy(world.address, seed=seed) as proxy:
        async with ChaosClient("alice", proxy.address, seed=seed, habits=PATIENT) as client:
            await client.login()
            number = 0
            for turn in range(rounds):
                for _ in range(10):
                    assert await push(world, ledger, "alice", number)
                    number += 1
                await client.received(f"p{number - 1}")
                proxy.blackhole()
                client.drop()  # or else QUIC itself would still bring what was sent before the overflow
                while await push(world, ledger, "alice", number):
                    number += 1
                number += 1
                # A broadcast that does not fit is what overflows a session without a request.
                assert (await world.pusher.broadcast(b"broadcast")).sent_count == 0
                assert not await push(world, ledger, "alice", number)
                number += 1
                proxy.lift()
                client.logged_in.clear()
                await client.login(within=30)
                assert len(client.history.resets) == turn + 1
            assert await push(world, ledger, "alice", number)
            await client.received(f"p{number}")
        history = client.history
    problems = compare(history, ledger)
    assert not problems, "\n".join(problems)
    missing = lost(history, ledger)
    assert missing
    told = sum(int(chapter.headers["gap-notifies"]) for chapter in history.resets)
    assert told == len(missing) + rounds, "every push that did not come, and the broadcasts"
    for chapter in history.resets:
        assert chapter.reason == pb.RESET_REASON_OVERFLOW
        assert int(chapter.headers["gap-from"]) == chapter.after + 1
        assert int(chapter.headers["gap-responses"]) == 0


@pytest.mark.timeout(300)
async def test_a_session_that_expired_during_an_outage_is_one_reset(make_world: WorldMaker, seed: int) -> None:
    world = await make_world(session={"resume_window": 1.0, "timeout": 1.0})
    ledger = Ledger()
    async with (
        UdpProxy(world.address, seed=seed) as proxy,
        ChaosClient("alice", proxy.address, seed=seed, habits=Habits(dead_after=1.0, heartbeat=0.3)) as client,
    ):
        await client.login()
        for number in range(20):
            assert await push(world, ledger, "alice", number)
        await client.received("p19")
        proxy.blackhole()
        for number in range(20, 25):
            assert await push(world, ledger, "alice", number)
        sessions: dict[str, int] = {"NORMAL": 1}
        while sessions["NORMAL"]:
            await asyncio.sleep(0.05)
            sessions = world.gateway.stats()["sessions"]  # type: ignore[assignment]
        assert not await push(world, ledger, "alice", 25)
        proxy.lift()
        client.logged_in.clear()
        await client.login(within=30)
        assert await push(world, ledger, "alice", 26)
        await client.received("p26")
        problems = compare(client.history, ledger)
        assert not problems, "\n".join(problems)
        (reset,) = client.history.resets
        assert reset.reason == pb.RESET_REASON_EXPIRED
        assert lost(client.history, ledger) == [f"p{n}" for n in range(20, 25)]
        assert reset.headers["gap-notifies"] == "5"


def free_ports() -> tuple[int, int]:
    """A UDP and a TCP port that were free a moment ago."""
    ports = []
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.bind(("127.0.0.1", 0))
            ports.append(sock.getsockname()[1])
    return ports[0], ports[1]


async def push_on(
    grpc_address: str, clients: list[ChaosClient], ledgers: list[Ledger], until_set: asyncio.Event
) -> None:
    """Push to every client in turn, through the gateway's absence too; outcomes unknown then are left open."""
    number = 0
    async with RawPusher(grpc_address) as pusher:
        while not until_set.is_set():
            for client, ledger in zip(clients, ledgers, strict=True):
                push_id = f"p{number}"
                ledger.sending(push_id)
                with contextlib.suppress(grpc.aio.AioRpcError):
                    reply = await pusher.push(client.openid, data=push_id.encode(), within=1.0)
                    ledger.outcome(push_id, reply.success, reply.error_code)
            number += 1
            await asyncio.sleep(0.01)


@pytest.mark.timeout(300)
async def test_a_killed_gateway_means_an_explicit_reset_for_every_client_within_20_seconds(
    parts: Parts, certificate: tuple[Path, Path], tmp_path: Path, seed: int
) -> None:
    udp, tcp = free_ports()
    async with RawUpstream() as upstream, contextlib.AsyncExitStack() as stack:
        config = tmp_path / "gateway.toml"
        config.write_text(
            f"[server]\nquic = '127.0.0.1:{udp}'\ngrpc = '127.0.0.1:{tcp}'\nadmin = '127.0.0.1:0'\n"
            f"[tls]\ncert = '{certificate[0]}'\nkey = '{certificate[1]}'\n[upstream]\n"
            + "".join(f"{name} = ['{upstream.address}']\n" for name in ("hello", "business", "zone"))
        )
        first = GatewayProcess.serve(config, parts=parts)
        async with first:
            clients = [
                await stack.enter_async_context(ChaosClient(f"user-{n}", ("127.0.0.1", udp), seed=seed + n))
                for n in range(5)
            ]
            await asyncio.gather(*(client.login() for client in clients))
            ledgers = [Ledger() for _ in clients]
            done = asyncio.Event()
            pushing = asyncio.create_task(push_on(f"127.0.0.1:{tcp}", clients, ledgers, done))
            await until(lambda: all(len(ledger.accepted) > 50 for ledger in ledgers), 20, "some pushes")
            await first.kill()
        async with GatewayProcess.serve(config, parts=parts):
            begun = time.monotonic()
            await until(lambda: all(client.history.resets for client in clients), 20, "a reset for everybody")
            took = time.monotonic() - begun
            goals = [len(ledger.accepted) + 20 for ledger in ledgers]
            await until(
                lambda: all(len(ledger.accepted) > goal for ledger, goal in zip(ledgers, goals, strict=True)),
                20,
                "more pushes",
            )
            done.set()
            await pushing
            for client, ledger in zip(clients, ledgers, strict=True):
                await client.received(next(i for i in reversed(ledger.order) if i in ledger.accepted))
            await stack.aclose()
    assert took < 20
    for client, ledger in zip(clients, ledgers, strict=True):
        problems = compare(client.history, ledger)
        assert not problems, "\n".join(problems[:20])
        assert [chapter.reason for chapter in client.history.resets] == [pb.RESET_REASON_UNKNOWN_SESSION]
