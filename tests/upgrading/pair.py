"""A gateway and its successor in one process: what they say to each other and to the world is all real."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quicgw_fast import backend as backends
from quicgw_fast import config as configs
from quicgw_fast.addresses import join_address
from quicgw_fast.config import split_address
from quicgw_fast.errors import GatewayError
from quicgw_fast.gateway import Gateway
from quicgw_fast.upgrading import Estate, HeldPorts, Heritage, refuse
from tests.support.raw_upstream import RawPusher, RawUpstream
from tests.upgrading.visited import Visited

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.parts import Parts

WITHIN = 20.0


class InThisProcess:
    """What stands for a process that was started: a gateway that begins soon."""

    def __init__(self, pid: int, ended: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
        self.pid = pid
        self._ended = ended
        self._loop = loop

    def kill(self) -> None:
        """It ends by itself, or not at all."""

    def wait(self) -> int:
        return 3


class Generation:
    """One gateway of the line."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.gateway: Gateway
        self.ended = asyncio.Event()
        """Somebody asked it to stop."""
        self.told: list[str] = []
        """What its service manager would be told."""
        self.over: asyncio.Task[None] | None = None


class Pair(Visited):
    """``generations`` are the gateways, the newest last; ``service`` is behind all of them."""

    def __init__(self, parts: Parts, certificate: tuple[Path, Path], **tables: Any) -> None:
        super().__init__()
        self._parts = parts
        self._certificate = certificate
        self.tables = tables
        self.service = RawUpstream("service")
        self.generations: list[Generation] = []
        self.pusher: RawPusher
        self._loop = asyncio.get_running_loop()
        self._starting: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Pair:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.service)
            config = self._config()
            stack.push_async_callback(self._end)
            await self._begin(Generation(101), config, await HeldPorts.open(config.server), None)
            self.pusher = await stack.enter_async_context(RawPusher(self.first.addresses.grpc))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def quic(self) -> tuple[str, int]:
        return split_address(self.first.addresses.quic)

    @property
    def first(self) -> Gateway:
        return self.generations[0].gateway

    @property
    def last(self) -> Gateway:
        return self.generations[-1].gateway

    async def upgrade(self) -> dict[str, Any]:
        """Have a successor take over; what ``POST /upgrade`` answers."""
        succession = self.last._succession
        assert succession is not None
        return await succession.upgrade()

    async def ended(self, number: int) -> None:
        """Wait until a gateway was asked to stop, and has stopped."""
        generation = self.generations[number]
        async with asyncio.timeout(WITHIN):
            await generation.ended.wait()
            assert generation.over is not None
            await generation.over

    # The gateways

    def _config(self) -> configs.Config:
        free, address = join_address("127.0.0.1", 0), [self.service.address]
        tables: dict[str, Any] = {
            "server": {"quic": free, "grpc": free, "admin": free},
            "tls": dict(zip(("cert", "key"), self._certificate, strict=True)),
            "upstream": {"hello": address, "business": address, "zone": address},
            "processor": {"drain_timeout": 5.0},
        }
        for name, table in (*self._parts.tables.items(), *self.tables.items()):
            tables[name] = {**tables.get(name, {}), **table}
        return configs.Config.model_validate(tables)

    async def _begin(
        self, generation: Generation, config: configs.Config, ports: HeldPorts, estate: Estate | None
    ) -> None:
        told = generation.told
        heritage = Heritage(
            generation.pid,
            ports,
            self._spawn,
            generation.ended.set,
            lambda: told.append("owns"),
            lambda pid: told.append(f"gives way to {pid}"),
            estate,
        )
        engine = backends.load(self._parts.engine)
        generation.gateway = Gateway(config, engine=engine, dev=True, end=generation.ended.set, heritage=heritage)
        await generation.gateway.start()
        self.generations.append(generation)
        generation.over = asyncio.create_task(self._until_ended(generation, ports))

    async def _until_ended(self, generation: Generation, ports: HeldPorts) -> None:
        await generation.ended.wait()
        await generation.gateway.stop()
        ports.close()

    def _spawn(self, estate: Estate) -> InThisProcess:
        """Called in a thread; the descriptors are closed behind it."""
        numbers = dict(zip(("quic", "grpc", "admin", "line"), map(os.dup, estate.descriptors), strict=True))
        generation = Generation(self.generations[-1].pid + 1)
        self._loop.call_soon_threadsafe(self._start, generation, replace(estate, **numbers))
        return InThisProcess(generation.pid, generation.ended, self._loop)

    def _start(self, generation: Generation, estate: Estate) -> None:
        self._starting.append(asyncio.create_task(self._try_to_start(generation, estate)))

    async def _try_to_start(self, generation: Generation, estate: Estate) -> None:
        ports = None
        try:
            config = self._config()
            ports = HeldPorts.inherited(estate, config.server)
            await self._begin(generation, config, ports, estate)
        except GatewayError as error:
            # As the end of a process would.
            if ports is not None:
                ports.close()
            else:
                for number in estate.descriptors[:3]:
                    os.close(number)
            refuse(estate.line, str(error))

    async def _end(self) -> None:
        await asyncio.gather(*self._starting)
        for generation in reversed(self.generations):
            generation.ended.set()
        await asyncio.gather(*(each.over for each in self.generations if each.over is not None))
