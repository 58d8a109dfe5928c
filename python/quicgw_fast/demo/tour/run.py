"""The demonstration: scenes one after the other, each shown and checked, then the audit and a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.config import LogConfig
from quicgw_fast.demo.tour import scenes as day
from quicgw_fast.demo.tour import trouble
from quicgw_fast.demo.tour.audit import audit, table
from quicgw_fast.demo.tour.show import Show
from quicgw_fast.demo.tour.stage import Scale, open_stage
from quicgw_fast.errors import GatewayError
from quicgw_fast.observe import configure_logging

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.demo.tour.stage import Stage

    Scene = Callable[[Stage, Show], Awaitable[None]]

OK, VIOLATED = 0, 1

SCENES: tuple[tuple[str, Scene], ...] = (
    ("Login", day.login),
    ("Requests", day.requests),
    ("Bound notifies", day.bound_notifies),
    ("Broadcast", day.broadcast),
    ("Unicast", day.unicast),
    ("Full queue", trouble.full_queue),
    ("Upstream down", trouble.upstream_down),
    ("Upstream too slow", trouble.upstream_slow),
    ("Lost connection", trouble.lost_connection),
    ("Heartbeats", day.heartbeats),
    ("Stop", day.stop),
    ("The audit", audit),
)


async def run_demo(scale: Scale | None = None, show: Show | None = None) -> int:
    """Play everything; return the exit status, 0 when every check held. Raises StartupError."""
    show = show or Show()
    configure_logging(LogConfig(level="error"))
    async with open_stage(scale or Scale()) as stage:
        addresses, makers = stage.gateway.addresses, stage.gateway.stats()["makers"]
        parts = f"engine {makers['engine']}, transport {makers['transport']}, upstream client {makers['upstream']}"
        show.title(f"quicgw demo: a gateway with three upstream services, {parts}")
        show.say(f"QUIC on {addresses.quic}, gRPC on {addresses.grpc}, admin on {addresses.admin}; all of it is real")
        for number, (name, scene) in enumerate(SCENES, 1):
            with show.scene(f"{number}/{len(SCENES)} {name}"):
                await _play(stage, scene, show)
        show.table(table(stage))
    return OK if show.verdict() else VIOLATED


async def _play(stage: Stage, scene: Scene, show: Show) -> None:
    """Play one scene. One that breaks off is a violation, and the show goes on with the next."""
    try:
        await scene(stage, show)
    except* (GatewayError, TimeoutError) as group:
        causes = dict.fromkeys(f"{type(error).__name__}: {error}" for error in group.exceptions)  # not for each client
        show.check("the scene was played to its end", list(causes))


__all__ = ["SCENES", "Scale", "run_demo"]
