"""``quicgw serve --workers``: real processes behind one port, with real clients."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.request
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.cli.event_loop import SAME_SIGNAL
from tests.cli.process import in_process
from tests.support import raw_client, wire
from tests.support.gateway_process import GatewayProcess, NotReadyError, is_alive, write_config
from tests.support.pages import readiness
from tests.support.parts import WHICHEVER_ENGINE, Parts
from tests.support.raw_upstream import RawPusher, RawUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.support.directory_server import DirectoryServer
    from tests.support.raw_client import RawClient

WORKERS = 3


class Served:
    """Some workers, and clients that are logged in."""

    def __init__(self, process: GatewayProcess, clients: AsyncExitStack) -> None:
        self.process = process
        self._clients = clients

    def log(self, event: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.process.errors.splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event]

    async def logged(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        async with asyncio.timeout(20):
            while len(found := self.log(event)) < count:
                await asyncio.sleep(0.02)
        return found

    def pids(self) -> dict[int, int]:
        """The process of each worker."""
        return {line["worker"]: line["pid"] for line in self.log("worker ready")}

    def stats(self, worker: int) -> Any:
        return self.ask(worker, "stats")

    def ask(self, worker: int, page: str) -> Any:
        admin = next(line["admin"] for line in reversed(self.log("worker ready")) if line["worker"] == worker)
        with urllib.request.urlopen(f"http://{admin}/{page}", timeout=20) as answer:
            return json.load(answer)

    async def ready(self) -> None:
        """Each is a node by now."""
        async with asyncio.timeout(20):
            for line in await self.logged("worker ready", WORKERS):
                while (await readiness(line["admin"]))[0] != 200:
                    await asyncio.sleep(0.05)

    def openids(self, worker: int) -> list[str]:
        return [session["openid"] for session in self.ask(worker, "sessions")["sessions"]]

    def sessions(self) -> list[int]:
        return [sum(self.stats(worker)["sessions"].values()) for worker in range(WORKERS)]

    async def client(self, openid: str) -> RawClient:
        """One that is logged in; where its session is another worker's that died, as soon as that is sure."""
        async with asyncio.timeout(20):
            while True:
                client = await raw_client.connect(*self.process.ready.quic)
                self._clients.push_async_callback(client.bury)
                if (await client.start(openid)).success:
                    break
                await asyncio.sleep(0.1)
        await client.hello()
        return client


@asynccontextmanager
async def serving(
    folder: Path, certificate: tuple[Path, Path], url: str, parts: Parts, tables: str = "", **variables: str
) -> AsyncIterator[Served]:
    async with RawUpstream() as upstream, AsyncExitStack() as clients:
        cluster = f'[cluster]\nurl = "{url}"\nlease = 3\n[processor]\ndrain_timeout = 1\n'
        config = write_config(folder, certificate, upstream.address, cluster + tables)
        arguments = ("serve", "--config", str(config), "--workers", str(WORKERS))
        async with GatewayProcess(*arguments, parts=parts, environment=variables) as process:
            served = Served(process, clients)
            await served.ready()
            yield served
            await clients.aclose()
            if process.status is None:
                process.terminate()
                assert await process.wait() == 0


async def all_gone(pids: dict[int, int]) -> None:
    """Wait for the end of processes that are not our children: they are gone, or nobody asked how they ended."""
    async with asyncio.timeout(20):
        for pid in pids.values():
            while is_alive(pid):
                await asyncio.sleep(0.02)


@WHICHEVER_ENGINE
async def test_clients_spread_and_stay_with_their_worker_when_they_move(
    parts: Parts, tmp_path: Path, certificate: tuple[Path, Path], used_server: DirectoryServer
) -> None:
    tables = '[offline]\nstore = "directory"\n'
    async with serving(tmp_path, certificate, used_server.url, parts, tables) as served:
        async with RawPusher(served.process.ready.grpc) as pusher:
            for number in range(24):  # whichever worker stores it, it comes where the client logs in
                assert (await pusher.push(f"c{number}", data=b"hi")).message == "stored"
        clients = [await served.client(f"c{number}") for number in range(24)]
        for client in clients:
            await client.wait_count(2)
            client.ack(2)
        shares = await asyncio.to_thread(served.sessions)
        assert sum(shares) == len(clients)
        assert all(shares), "each has some: that one has none is as likely as 1 in 17 000"
        for client in clients:
            await client.rebind()
            assert wire.business(await client.call("echo")).code == 200
        assert await asyncio.to_thread(served.sessions) == shares


@WHICHEVER_ENGINE
async def test_connections_of_services_spread(
    parts: Parts, tmp_path: Path, certificate: tuple[Path, Path], used_server: DirectoryServer
) -> None:
    """Each is with one worker: what reaches the others through it is the cluster's."""
    async with serving(tmp_path, certificate, used_server.url, parts) as served:
        assert len({admin for line in await served.logged("workers ready") for admin in line["admin"]}) == WORKERS
        taken: Counter[int] = Counter()
        for _ in range(24):
            async with RawPusher(served.process.ready.grpc) as pusher:
                await pusher.push("nobody")
        for worker in range(WORKERS):
            taken[worker] = (await asyncio.to_thread(served.stats, worker))["counters"]["pushes"]
        assert taken.total() == 24
        assert len(+taken) == WORKERS


@WHICHEVER_ENGINE
async def test_a_killed_worker_is_followed_by_another_and_nobody_else_notices(
    parts: Parts, tmp_path: Path, certificate: tuple[Path, Path], used_server: DirectoryServer
) -> None:
    async with serving(
        tmp_path, certificate, used_server.url, parts, QUICGW_SERVER__RESET_KEY_FILE=f"{tmp_path}/key"
    ) as served:
        clients = [await served.client(f"c{number}") for number in range(24)]
        before = await asyncio.to_thread(served.sessions)
        os.kill(served.pids()[1], signal.SIGKILL)
        (ended,) = await served.logged("worker ended")
        assert (ended["worker"], ended["status"]) == (1, -signal.SIGKILL)
        await served.logged("worker ready", WORKERS + 1)

        # Its clients are told by its successor, with stateless resets, which a stock client does not look at.
        there = {openid for worker in (0, 2) for openid in await asyncio.to_thread(served.openids, worker)}
        stayed = [client for client in clients if client.openid in there]
        gone = [client for client in clients if client.openid not in there]
        assert (len(stayed), len(gone)) == (before[0] + before[2], before[1])
        for client in gone:
            client.heartbeat()
        async with asyncio.timeout(20):
            while (await asyncio.to_thread(served.stats, 1))["transport"]["stateless_resets"] < len(gone):
                await asyncio.sleep(0.02)
        for client in stayed:
            assert wire.business(await client.call("echo")).code == 200
        for client in gone:
            assert (await served.client(client.openid)).started is not None


async def test_workers_end_with_their_supervisor(
    tmp_path: Path, certificate: tuple[Path, Path], used_server: DirectoryServer
) -> None:
    async with serving(tmp_path, certificate, used_server.url, Parts()) as served:
        await served.process.kill()
        await all_gone(served.pids())


async def test_a_second_signal_ends_all_at_once(
    tmp_path: Path, certificate: tuple[Path, Path], used_server: DirectoryServer
) -> None:
    async with serving(tmp_path, certificate, used_server.url, Parts(), "[drain]\ndelay = 60") as served:
        served.process.terminate()
        await served.logged("gateway not ready", WORKERS)
        await asyncio.sleep(2 * SAME_SIGNAL)  # sooner it would be the first one, delivered twice
        served.process.terminate()
        assert await served.process.wait() == 128 + signal.SIGTERM
        await all_gone(served.pids())


async def test_a_reload_is_passed_on_to_all(
    tmp_path: Path, certificate: tuple[Path, Path], used_server: DirectoryServer
) -> None:
    async with serving(tmp_path, certificate, used_server.url, Parts(), QUICGW_SERVER__WATCH="0") as served:
        served.process.signal(signal.SIGHUP)
        lines = await served.logged("configuration reloaded", WORKERS)
        assert {line["worker"] for line in lines} == set(range(WORKERS))


def quicgw(*arguments: str) -> Awaitable[CompletedProcess[str]]:
    return asyncio.to_thread(in_process, *arguments, "--timeout", "20s")


def timeouts(served: Served) -> list[object]:
    """What each worker has in use."""
    return [served.ask(worker, "config")["settings"]["session.timeout"]["value"] for worker in range(WORKERS)]


async def asked_by_their_number(served: Served) -> list[str]:
    """The admin addresses of all workers, as the supervisor logged them."""
    (line,) = await served.logged("workers ready")
    return [str(admin) for admin in line["admin"]]


@pytest.mark.parametrize("asked", [0, 1])
async def test_a_reload_by_the_command_reaches_all(
    asked: int, tmp_path: Path, certificate: tuple[Path, Path], used_server: DirectoryServer
) -> None:
    async with serving(tmp_path, certificate, used_server.url, Parts(), QUICGW_SERVER__WATCH="0") as served:
        before = await asyncio.to_thread(timeouts, served)
        with (tmp_path / "gateway.toml").open("a") as file:
            file.write("[session]\ntimeout = 77\n")
        admins = await asked_by_their_number(served)
        done = await quicgw("reload", "--admin", admins[asked])
        assert (done.returncode, "session.timeout: " in done.stdout) == (0, True), done
        after = await asyncio.to_thread(timeouts, served)
        assert len(set(after)) == 1
        assert after[0] != before[0]
        lines = await served.logged("configuration reloaded", WORKERS)
        assert sorted(line["worker"] for line in lines) == list(range(WORKERS)), "each once"


async def test_a_reload_says_which_worker_has_not_taken_it(
    tmp_path: Path, certificate: tuple[Path, Path], used_server: DirectoryServer
) -> None:
    async with serving(tmp_path, certificate, used_server.url, Parts(), QUICGW_SERVER__WATCH="0") as served:
        admins = await asked_by_their_number(served)
        stopped = served.pids()[2]
        os.kill(stopped, signal.SIGSTOP)
        try:
            done = await asyncio.to_thread(in_process, "reload", "--admin", admins[0], "--timeout", "1s", "--json")
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert done.returncode == 1, done
        assert list(json.loads(done.stdout)["not_taken"]) == [admins[2]]


@pytest.mark.parametrize("asked", [0, 2])
async def test_a_drain_through_any_worker_ends_all_and_their_supervisor(
    asked: int, tmp_path: Path, certificate: tuple[Path, Path], used_server: DirectoryServer
) -> None:
    async with serving(tmp_path, certificate, used_server.url, Parts(), "[drain]\ndelay = 1") as served:
        admins = await asked_by_their_number(served)
        done = await quicgw("drain", "--wait", "--admin", admins[asked])
        assert (done.returncode, done.stdout[:12]) == (0, "ended after "), done
        assert await served.process.wait() == 0
        assert not served.log("worker ended"), "none was started again"
        assert sorted(line["worker"] for line in await served.logged("gateway stopped", WORKERS)) == [0, 1, 2]
        await all_gone(served.pids())


async def test_a_drain_waits_for_the_worker_that_takes_longest(
    tmp_path: Path, certificate: tuple[Path, Path], used_server: DirectoryServer
) -> None:
    """One that stands still ends last; the command waits for it though it asked another one."""
    async with serving(tmp_path, certificate, used_server.url, Parts(), "[drain]\ndelay = 0.5") as served:
        admins = await asked_by_their_number(served)
        waiting = asyncio.ensure_future(quicgw("drain", "--wait", "--admin", admins[0]))
        await served.logged("gateway not ready", WORKERS)
        stopped = served.pids()[1]
        os.kill(stopped, signal.SIGSTOP)
        await served.logged("gateway stopped", WORKERS - 1)
        assert not waiting.done()
        os.kill(stopped, signal.SIGCONT)
        assert (await waiting).returncode == 0
        assert await served.process.wait() == 0


async def test_a_worker_that_came_later_knows_the_others_too(
    tmp_path: Path, certificate: tuple[Path, Path], used_server: DirectoryServer
) -> None:
    async with serving(tmp_path, certificate, used_server.url, Parts(), QUICGW_SERVER__WATCH="0") as served:
        os.kill(served.pids()[1], signal.SIGKILL)
        admin = (await served.logged("worker ready", WORKERS + 1))[-1]["admin"]
        for asked in (admin, (await asked_by_their_number(served))[0]):
            assert (await quicgw("reload", "--admin", asked)).returncode == 0
        await served.logged("configuration reloaded", 2 * WORKERS)
        assert (await quicgw("drain", "--admin", admin)).returncode == 0
        assert await served.process.wait() == 0


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ('[auth]\nmode = "jwt"\nkey_file = "absent"', "auth.key_file: cannot read"),
        ('[offline]\nstore = "sqlite"\npath = "x.db"', "a file belongs to one process"),
    ],
)
async def test_what_a_worker_cannot_start_with_is_told_once_or_by_each(
    tables: str, told: str, tmp_path: Path, certificate: tuple[Path, Path], used_server: DirectoryServer
) -> None:
    with pytest.raises(NotReadyError, match=r"exit status 3") as refused:
        async with serving(tmp_path, certificate, used_server.url, Parts(), tables):
            pass
    assert told in str(refused.value)
    assert "Traceback" not in str(refused.value)
