"""The two servers as a test wants them: with whom they let in, and what they refused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from quicgw_fast.config import ControlConfig
from quicgw_fast.control import AdminServer, ControlAccess, ControlServer, Refusals, read_access
from quicgw_fast.observe import Metrics
from tests.control.recording import RecordingGroups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import Route

    from quicgw_fast.control.event_stream import EventSource
    from quicgw_fast.control.grpc_server import Registrar

LOOPBACK = "127.0.0.1"


def access_of(**control: Any) -> ControlAccess:
    """Who is let in by a table ``[control]``; everybody without one."""
    return ControlAccess(read_access(ControlConfig(**control)))


def refusals_in(metrics: Metrics) -> Refusals:
    """Whoever counts what is refused."""
    return Refusals(metrics, time.monotonic)


async def start_control(
    pusher: Any,
    registrar: Registrar | None = None,
    events: EventSource | None = None,
    groups: RecordingGroups | None = None,
    *,
    port: int = 0,
    access: ControlAccess | None = None,
    metrics: Metrics | None = None,
    **options: Any,
) -> ControlServer:
    """The gRPC port."""
    taken = access or access_of()
    refusals, groups = refusals_in(metrics or Metrics()), groups or RecordingGroups()
    return await ControlServer.start(
        LOOPBACK, port, pusher, groups, groups, registrar or pusher, events or pusher, taken, refusals, **options
    )


async def start_admin(
    pages: Sequence[Route],
    *,
    port: int = 0,
    access: ControlAccess | None = None,
    metrics: Metrics | None = None,
    **options: Any,
) -> AdminServer:
    """The admin pages."""
    guard = (access or access_of()).admin_guard(LOOPBACK, refusals_in(metrics or Metrics()))
    return await AdminServer.start(LOOPBACK, port, pages, guard, **options)
