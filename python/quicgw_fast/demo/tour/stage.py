"""What the demonstration plays on: two gateways with their services, and clients whose messages are on tape."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quicgw_fast.client import Client, StateEvent, connect
from quicgw_fast.compiled import PARTS
from quicgw_fast.config import Config, LimitsConfig, ProcessorConfig
from quicgw_fast.demo.embedded import Certificate, embedded_gateway
from quicgw_fast.demo.services import Services, start_services
from quicgw_fast.demo.tour.tape import Tape
from quicgw_fast.transport import makers as transports
from quicgw_fast.upstream import makers as upstreams
from quicgw_fast.upstream.grpcio.gateway_client import GatewayClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from quicgw_fast.gateway import Gateway

TIMEOUT = 10.0
"""Seconds that anything may take on a machine that is busy with other things."""
SMALL_WORKERS, SMALL_QUEUE = 1, 2
_FREE = "127.0.0.1:0"
_PLAIN = {"server": {"transport": transports.DEFAULT}, "upstream": {"client": upstreams.DEFAULT}}


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is played, and on what."""

    clients: int = 20
    requests: int = 1000
    """All clients together."""
    fast: bool = False
    """Gateways and clients are of all compiled parts."""

    @property
    def ends(self) -> Mapping[str, Mapping[str, str]]:
        """Who does QUIC, and who calls services, as the tables of a configuration."""
        return PARTS if self.fast else _PLAIN

    @property
    def per_client(self) -> int:
        """Requests of the busiest client."""
        return -(-self.requests // self.clients)


@dataclass(slots=True)
class Player:
    """One client, its tape, and what it told about its connection."""

    client: Client
    tape: Tape
    states: list[StateEvent] = field(default_factory=list)


@dataclass(slots=True)
class Stage:
    """Everything that the scenes use and leave to each other."""

    scale: Scale
    gateway: Gateway
    small: Gateway
    """A gateway with one worker and a queue of two: easily overloaded."""
    doomed: Services
    """The small gateway's zone service, which one scene takes down."""
    pusher: GatewayClient
    """Pushes through ``gateway`` as a service does."""
    ca: Path
    players: list[Player] = field(default_factory=list)
    """Who plays in most scenes."""
    guests: list[Player] = field(default_factory=list)
    """Who has one scene only."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from each request of the load scene to its reply."""
    load_seconds: float = 0.0

    @property
    def everybody(self) -> list[Player]:
        """All clients."""
        return [*self.players, *self.guests]

    async def enter(self, openid: str) -> Player:
        """Connect and log in one more player."""
        return await self._enter(self.players, openid, self.gateway.addresses.quic, {})

    async def enter_guest(self, openid: str, address: str, **options: Any) -> Player:
        """Connect a client for one scene; ``options`` are those of the SDK's connect()."""
        return await self._enter(self.guests, openid, address, options)

    async def _enter(self, among: list[Player], openid: str, address: str, options: dict[str, Any]) -> Player:
        tape, states = Tape(openid), list[StateEvent]()
        transport = self.scale.ends["server"]["transport"]
        settings = {"heartbeat": 1.0, "max_missed": 10, "timeout": TIMEOUT, "transport": transport, **options}
        settings["thread"] = False  # all play in one loop, which nothing holds up
        client = connect(address, openid=openid, ca=self.ca, on_state=states.append, observer=tape, **settings)
        player = Player(client, tape, states)
        among.append(player)
        await client.start()
        return player


@asynccontextmanager
async def open_stage(scale: Scale) -> AsyncIterator[Stage]:
    """Start gateways and services; everything is closed at the end. Raises StartupError."""
    async with AsyncExitStack() as stack:
        certificate = stack.enter_context(Certificate())
        config = _config(scale, limits=_limits(scale))
        gateway = await stack.enter_async_context(embedded_gateway(config, certificate))
        doomed = await start_services(names=("zone",), ports=(0,))
        stack.push_async_callback(doomed.stop)
        narrow = ProcessorConfig(max_workers=SMALL_WORKERS, max_queue_size=SMALL_QUEUE)
        config = _config(scale, {"zone": (doomed.addresses["zone"],)}, processor=narrow)
        small = await stack.enter_async_context(embedded_gateway(config, certificate))
        pusher = GatewayClient(gateway.addresses.grpc)
        stack.push_async_callback(pusher.close)
        stage = Stage(scale, gateway, small, doomed, pusher, certificate.path)
        stack.push_async_callback(_leave, stage)
        yield stage


async def until(true: Callable[[], bool], what: str) -> None:
    """Wait until something is true; TimeoutError says what was waited for."""
    try:
        async with asyncio.timeout(TIMEOUT):
            while not true():  # noqa: ASYNC110 - what is waited for has no events
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise TimeoutError(f"{what} did not happen within {TIMEOUT:g} s") from None


async def _leave(stage: Stage) -> None:
    await asyncio.gather(*(player.client.close() for player in stage.everybody))


def _config(scale: Scale, services: Mapping[str, tuple[str, ...]] | None = None, **sections: Any) -> Config:
    """Make a configuration without looking at the environment: the demonstration is the same everywhere."""
    server, upstream = scale.ends["server"], {**scale.ends["upstream"], **(services or {})}
    tables = {"server": {"quic": _FREE, "grpc": _FREE, "admin": _FREE, **server}, "upstream": upstream}
    return Config.model_validate({**tables, **sections})


def _limits(scale: Scale) -> LimitsConfig:
    """Allow what is asked for: the default allowance is enough for the default scale."""
    default = LimitsConfig()
    return LimitsConfig(message_burst=max(default.message_burst, scale.per_client + default.message_burst // 2))
