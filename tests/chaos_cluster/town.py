"""Three nodes as processes, with one directory as a process, behind relays that a test can break."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
from typing import TYPE_CHECKING

from tests.chaos_cluster.ways import Way, who_has_port
from tests.support.directory_server import DirectoryServer
from tests.support.gateway_process import GatewayProcess, NotReadyError, write_config
from tests.support.pages import readiness
from tests.support.parts import Parts
from tests.support.raw_upstream import RawPusher

if TYPE_CHECKING:
    import signal
    from pathlib import Path

NODES = 3
WHOLE_LOG = 64 << 20


class ChaosNode:
    """One place of the cluster, at which a process is started again and again."""

    def __init__(self, name: str, config: Path, port: int, parts: Parts) -> None:
        """``port`` is where the others reach it, behind the relay ``way``."""
        self.name = name
        self.port = port
        self.process: GatewayProcess | None = None
        """None while there is none."""
        self.quic: tuple[str, int] | None = None
        self.pusher: RawPusher | None = None
        self.busy = False
        """Whether something happens to it that nothing else may happen to it beside."""
        self._pushers: list[RawPusher] = []
        """All that there were: one that is closed sooner would break off calls as no network does."""
        self.faults: list[str] = []
        """What went wrong with its processes: ends that nobody brought about, errors in the log."""
        self._config = config
        self._parts = parts

    async def start(self) -> None:
        """Start a process there; again and again, as a supervisor does, while the directory is away."""
        async with asyncio.timeout(60):
            while (process := await self._started()) is None:
                await asyncio.sleep(0.2)
        self.process, self.quic = process, process.ready.quic
        self.pusher = RawPusher(process.ready.grpc)
        self._pushers.append(self.pusher)

    async def ready(self, within: float = 30.0) -> None:
        """Wait until it takes everybody in."""
        async with asyncio.timeout(within):
            while self.process is None or (await readiness(self.process.ready.admin))[0] != 200:
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """As ``kill -9`` does."""
        process = self._gone()
        self._expect(process, None)
        await process.kill()
        self._read_log(process)

    async def stop(self, within: float = 30.0) -> None:
        """Have it stop, and wait for that."""
        assert self.process is not None
        self._expect(self.process, None)
        self.process.terminate()
        status = await self.process.wait(within)
        process = self._gone()
        self._expect(process, 0)
        assert status == process.status
        self._read_log(process)

    def signal(self, number: signal.Signals) -> None:
        """Send its process a signal, if there is one."""
        if self.process is not None:
            self.process.signal(number)

    async def _started(self) -> GatewayProcess | None:
        process = GatewayProcess("serve", "--config", str(self._config), parts=self._parts, kept=WHOLE_LOG)
        try:
            await process.start()
        except NotReadyError as error:
            if "directory" not in str(error):
                raise
            return None
        return process

    async def end(self) -> None:
        """Leave nothing behind."""
        if self.process is not None:
            await self.kill()
        for pusher in self._pushers:
            await pusher.close()

    def _gone(self) -> GatewayProcess:
        process = self.process
        assert process is not None
        self.process = self.quic = self.pusher = None
        return process

    def _expect(self, process: GatewayProcess, status: int | None) -> None:
        if process.status != status:
            self.faults.append(f"{self.name}: exit status {process.status} in place of {status}\n{process.errors}")

    def _read_log(self, process: GatewayProcess) -> None:
        with self._config.with_name("log").open("a") as log:
            log.write(process.errors)
        for line in process.errors.splitlines():
            said = json.loads(line) if line.startswith("{") else {"level": "error", "event": line}
            if said["level"] in {"error", "critical"} or "exception" in said:
                self.faults.append(f"{self.name}: {line}")


class Town:
    """``nodes`` and ``directory``, from enter to exit."""

    def __init__(
        self,
        folder: Path,
        certificate: tuple[Path, Path],
        service: str,
        *,
        lease: float,
        retain: str = "memory",
        parts: Parts | None = None,
        tables: str = "",
    ) -> None:
        """``service`` is behind all nodes; ``tables`` is more of their configuration, as TOML."""
        self.lease = lease
        self.directory = DirectoryServer()
        self.nodes: list[ChaosNode] = []
        self._folder = folder
        self._certificate = certificate
        self._service = service
        self._parts = parts or Parts()
        self._retain = retain
        self._tables = tables
        self._ways: dict[str, Way] = {}
        """By who is reached there."""
        self._stack = contextlib.AsyncExitStack()

    def cut(self, who: str, whom: str) -> None:
        """Nothing goes from one node to another, or to ``directory``, nor back."""
        self._ways[whom].cut(who)

    def mend(self, who: str, whom: str, *, late: bool) -> None:
        """See ``Way.mend``."""
        self._ways[whom].mend(who, late=late)

    def pusher(self, chance: random.Random) -> RawPusher | None:
        """The way in of any node; None where the one drawn does not run."""
        return chance.choice(self.nodes).pusher

    def serving(self) -> list[tuple[str, int]]:
        """Where clients reach the nodes that have a process."""
        return [node.quic for node in self.nodes if node.quic is not None]

    def faults(self) -> list[str]:
        """What went wrong with processes."""
        return [fault for node in self.nodes for fault in node.faults]

    async def __aenter__(self) -> Town:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self.directory.close)
            await asyncio.to_thread(self.directory.start)
            self._ways["directory"] = await stack.enter_async_context(Way(self.directory.port, self._who))
            for number in range(NODES):
                self.nodes.append(await self._node(f"node-{number}", stack))
            await asyncio.gather(*(node.start() for node in self.nodes))
            await asyncio.gather(*(node.ready() for node in self.nodes))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _node(self, name: str, stack: contextlib.AsyncExitStack) -> ChaosNode:
        folder, port = self._folder / name, _free_port()
        folder.mkdir()
        way = self._ways[name] = await stack.enter_async_context(Way(port, self._who))
        tables = f"""
[cluster]
url = "valkey://{self._ways["directory"].address}"
lease = {self.lease}
retain = "{self._retain}"
node_id = "{name}"
listen = "127.0.0.1:{port}"
advertise = "{way.address}"
{self._tables}"""
        config = write_config(folder, self._certificate, self._service, tables)
        node = ChaosNode(name, config, port, self._parts)
        stack.push_async_callback(node.end)
        return node

    def _who(self, port: int) -> str:
        pids = {node.process.pid: node.name for node in self.nodes if node.process is not None}
        return who_has_port(port, pids)


def _free_port() -> int:
    """A port that is free and stays so: no socket gets one of those by itself."""
    while True:
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", random.SystemRandom().randrange(20_000, 30_000)))
            port: int = free.getsockname()[1]
            return port
