"""A scripted gateway, clients that are closed in the end, and a record of their states."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

import quicgw_fast.client as sdk
from quicgw_fast.client import Reconnect
from quicgw_fast.client.io_thread import LoopThread
from quicgw_fast.transport import development_certificate
from tests.client.scripted import ScriptedGateway
from tests.support.gateway_process import GatewayProcess
from tests.support.parts import CONNECTIONS, Ends

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from quicgw_fast.client import Client, State, StateEvent

FAST = Reconnect(base=0.01, cap=0.05, attempt_timeout=5.0)


class States(list["StateEvent"]):
    """The events of one client, and a way to wait for the next of a kind."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def __call__(self, event: StateEvent) -> None:
        self.append(event)
        self._news.set()

    @property
    def names(self) -> list[str]:
        return [event.state.value for event in self]

    async def reach(self, state: State, count: int = 1, limit: float = 20.0) -> StateEvent:
        """Wait until ``state`` has come ``count`` times."""
        async with asyncio.timeout(limit):
            while len(found := [event for event in self if event.state is state]) < count:
                self._news.clear()
                await self._news.wait()
        return found[count - 1]


class Connect(Protocol):
    """Makes a client of the scripted gateway; ``states`` records its events."""

    async def __call__(self, **options: Any) -> Client: ...


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return development_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=CONNECTIONS)
def ends(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Ends:
    """Who does QUIC on both sides; clients that name no transport have that of this pair."""
    ends = CONNECTIONS[request.param]
    monkeypatch.setenv("QUICGW_FAST", str(int(ends.client == "quinn")))
    return ends


@pytest.fixture
async def gateway(certificate: tuple[Path, Path], ends: Ends) -> AsyncIterator[ScriptedGateway]:
    gateway = await ScriptedGateway(ends.gateway.transport).listen(certificate)
    yield gateway
    await gateway.close()


@pytest.fixture
def states() -> States:
    return States()


@pytest.fixture
async def connect(gateway: ScriptedGateway, certificate: tuple[Path, Path], states: States) -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        async def make(**options: Any) -> Client:
            options = {
                "openid": "alice",
                "ca": certificate[0],
                "reconnect": FAST,
                "on_state": states,
                "address": gateway.address,
                **options,
            }
            return await stack.enter_async_context(sdk.connect(**options))

        yield make


@pytest.fixture(scope="module")
def dev_address() -> Iterator[str]:
    """The address of ``quicgw dev``, for tests without an event loop."""
    runner = LoopThread("gateway process")
    process = GatewayProcess.dev()
    try:
        runner.wait(process.__aenter__())
        yield "{}:{}".format(*process.ready.quic)
        runner.wait(process.__aexit__(None, None, None))
    finally:
        runner.end()
