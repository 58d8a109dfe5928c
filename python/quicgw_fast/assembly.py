"""A gateway, put together: its rules, its services, whom it asks, and the way of a message between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from quicgw_fast.auth import make_authenticator
from quicgw_fast.events import EventLog, EventOutlets
from quicgw_fast.flow.assembly import Asked, assemble_path
from quicgw_fast.flow.elsewhere import Nobody
from quicgw_fast.flow.farewell import Farewell
from quicgw_fast.flow.memory_watch import MemoryWatch
from quicgw_fast.flow.session_buffers import register_session_buffers
from quicgw_fast.flow.session_views import SessionViews
from quicgw_fast.machine import ProcessMemory
from quicgw_fast.overload import make_gates
from quicgw_fast.placement import makers as placements
from quicgw_fast.store import make_store
from quicgw_fast.upstream import assemble_upstream, make_mode, makers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.auth import Authenticator
    from quicgw_fast.backend.engine import Engine
    from quicgw_fast.clock import Clock
    from quicgw_fast.config import Config
    from quicgw_fast.flow.assembly import Path
    from quicgw_fast.flow.elsewhere import Elsewhere
    from quicgw_fast.flow.memory_watch import MeasuredMemory
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload import Gates
    from quicgw_fast.placement import Placement, ReplicaKeeper
    from quicgw_fast.ports import Call
    from quicgw_fast.store import OfflineStore
    from quicgw_fast.trace_context import RequestTracer
    from quicgw_fast.upstream import Upstream


class Clustered(Protocol):
    """What a gateway has of its cluster."""

    @property
    def name(self) -> str:
        """By which the others know this one."""

    @property
    def placement(self) -> Placement:
        """Where openids live."""

    @property
    def elsewhere(self) -> Elsewhere:
        """The other gateways."""

    @property
    def store(self) -> OfflineStore | None:
        """The offline store that all of them have; None where each has its own."""

    @property
    def replicas(self) -> ReplicaKeeper | None:
        """Who keeps what other gateways go on from when this one dies."""

    @property
    def may_act(self) -> Callable[[str], bool] | None:
        """Whether anything may be done for an openid now; None where that is always so."""

    def tend(self, now: float) -> None:
        """Do what passes with time (monotonic)."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """What a gateway starts, drains and stops."""

    path: Path
    upstream: Upstream
    gates: Gates
    """Of which its listener asks ``connections``."""
    views: SessionViews
    """Of operators."""
    outlets: EventOutlets
    """Of what happens to sessions."""


def assemble_gateway(
    config: Config,
    engine: Engine,
    clock: Clock,
    metrics: Metrics,
    *,
    chores: Sequence[Callable[[float], None]] = (),
    authenticator: Authenticator | None = None,
    store: OfflineStore | None = None,
    placement: Placement | None = None,
    call: Call | None = None,
    memory: MeasuredMemory | None = None,
    tracer: RequestTracer | None = None,
    elsewhere: Elsewhere | None = None,
    replicas: ReplicaKeeper | None = None,
    member: Clustered | None = None,
) -> Assembled:
    """Build everything between the listener and the services; nothing runs yet.

    ``chores`` are called with the time (monotonic) in every round of the housekeeping. Whoever is asked (for a token,
    for what is stored, for a place, and the services by ``call``) is made as the configuration says where none is
    given; so is who tells what the process takes in ``memory``. ``member`` knows the other gateways. Raises ConfigError
    for what cannot be used.
    """
    mode, most_calls = make_mode(config.routing), config.upstream.max_concurrency
    farewell = Farewell(config.drain, config.processor.drain_timeout)
    gates = make_gates(
        config.limits,
        metrics,
        config.overload,
        to_newcomers=farewell.to_newcomer,
        max_concurrency=most_calls,
        window=config.session.window_messages,
    )
    help = "Calls of one service that may be under way, 0: any"
    metrics.gauge("upstream_max_concurrency", help, lambda: gates.book.bounds.max_concurrency)
    upstream = assemble_upstream(
        mode,
        config.upstream,
        clock,
        metrics,
        open_channel=makers.load(config.upstream.client).open_channel,
        gate=gates.call,
        abreast=config.processor.workers + config.processor.logins,
        hello=config.auth.login == "hello",
    )
    if call is None:
        call, chores = upstream.caller.begin, [*chores, upstream.tend]
    events = EventLog(config.events.keep, metrics, clock.wall)
    path = assemble_path(
        config,
        engine,
        clock,
        metrics,
        gates,
        farewell,
        _asked(config, authenticator, store, placement, tracer, events, elsewhere, replicas, member),
        call=call,
        logins_at_once=mode.logins_at_once(config.processor.logins, most_calls),
        chores=[MemoryWatch(memory or ProcessMemory(), gates.book).look, gates.book.tend, *_tends(member), *chores],
    )
    of_all = path.registry, path.budget, path.request_memory
    register_session_buffers(metrics, *of_all, config.session, gates.book.limits)
    views = SessionViews(clock, path.registry, config.server.transport, "" if member is None else member.name)
    return Assembled(path, upstream, gates, views, EventOutlets(events, metrics, config.webhook))


def _tends(member: Clustered | None) -> list[Callable[[float], None]]:
    return [] if member is None else [member.tend]


def _asked(
    config: Config,
    authenticator: Authenticator | None,
    store: OfflineStore | None,
    placement: Placement | None,
    tracer: RequestTracer | None,
    events: EventLog,
    elsewhere: Elsewhere | None,
    replicas: ReplicaKeeper | None,
    member: Clustered | None,
) -> Asked:
    """Those that are given, and the others as the configuration says."""
    if member is not None:
        placement, elsewhere, replicas = member.placement, member.elsewhere, member.replicas
        store = member.store or store
    return Asked(
        authenticator or make_authenticator(config.auth),
        store or make_store(config.offline),
        placement or placements.load(placements.DEFAULT).make_placement(),
        tracer,
        events,
        elsewhere or Nobody(),
        None if member is None else member.may_act,
        replicas,
    )
