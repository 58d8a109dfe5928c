"""A gateway and its successors, one set of services behind them, and clients before them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.gateway_process import GatewayProcess, is_alive, write_config
from tests.support.raw_upstream import RawPusher, RawUpstream
from tests.upgrading.visited import Visited

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.parts import Parts

WITHIN = 25.0


class Generations(Visited):
    """``process`` is the first gateway; ``pids`` are all of them, the newest last."""

    within = WITHIN

    def __init__(
        self, parts: Parts, folder: Path, certificate: tuple[Path, Path], tables: str = "", **variables: str
    ) -> None:
        super().__init__()
        self._parts = parts
        self._folder = folder
        self._certificate = certificate
        self._tables = tables
        self._variables = variables
        self.service = RawUpstream("service")
        self.process: GatewayProcess
        self.pusher: RawPusher
        self.pids: list[int] = []
        self.config = folder / "gateway.toml"

    async def __aenter__(self) -> Generations:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.service)
            write_config(self._folder, self._certificate, self.service.address, self._tables)
            arguments = "serve", "--config", str(self.config)
            self.process = GatewayProcess(*arguments, parts=self._parts, environment=self._variables)
            await stack.enter_async_context(self.process)
            stack.push_async_callback(self._end)
            self.pids.append(self.process.pid)
            self.pusher = await stack.enter_async_context(RawPusher(self.process.ready.grpc))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: Any) -> None:
        await self._stack.__aexit__(kind, value, trace)

    @property
    def quic(self) -> tuple[str, int]:
        return self.process.ready.quic

    # The processes

    async def upgrade(self) -> dict[str, Any]:
        """Have a successor take over; its answer."""
        status, answer = await self.ask("POST", "/upgrade")
        assert status == 200, answer
        self.pids.append(answer["pid"])
        return answer

    async def upgraded(self) -> None:
        """The same, and wait until the process before it has ended."""
        await self.upgrade()
        await self.ended(self.pids[-2])

    async def ended(self, pid: int) -> None:
        await self.until(lambda: not is_alive(pid), f"the end of process {pid}")

    async def ask(self, method: str, page: str) -> tuple[int, Any]:
        return await asyncio.to_thread(self._ask, method, page)

    async def logged(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        await self.until(lambda: len(self.log(event)) >= count, event)
        return self.log(event)

    def log(self, event: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.process.errors.splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event]

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(WITHIN):
                while not condition():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise TimeoutError(f"{what} did not come\n{self.process.errors}") from None

    def _ask(self, method: str, page: str) -> tuple[int, Any]:
        request = urllib.request.Request(f"http://{self.process.ready.admin}{page}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=WITHIN) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    async def _end(self) -> None:
        """End whoever is left; their output is that of the first, which is read to its end."""
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _processes(self) -> list[int]:
        """All that were started with this configuration."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if os.fsencode(self.config) in path.read_bytes():
                    found.append(int(path.parent.name))
        return found
