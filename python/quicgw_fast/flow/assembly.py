"""The way of a message, put together: one line per leg, in the order in which they need each other.

Everybody gets all that it needs when it is made. Where two need each other, the one that is made first is given a call
that finds the other. That is so in five places, all of them here: what a full window or a full memory brings about has
to come back to who is working for the session, what waited behind a hello goes on as a request, and a reply whose
session moved goes to who knows other gateways.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from quicgw_fast.carrier import MAX_BODY
from quicgw_fast.clock import SteadyClock
from quicgw_fast.flow.accounts import Accounts
from quicgw_fast.flow.arriving import Arriving
from quicgw_fast.flow.attaching import Attaching
from quicgw_fast.flow.call_back import CallBack
from quicgw_fast.flow.closing import Closing
from quicgw_fast.flow.control_messages import ControlMessages
from quicgw_fast.flow.conversation import Legs
from quicgw_fast.flow.conversations import Conversations
from quicgw_fast.flow.crowding import Crowding
from quicgw_fast.flow.draining import DrainState, HandOut
from quicgw_fast.flow.fence import fenced
from quicgw_fast.flow.fences import Fences, make_fences
from quicgw_fast.flow.from_services import from_services
from quicgw_fast.flow.housekeeping import Housekeeping
from quicgw_fast.flow.journal import Journal
from quicgw_fast.flow.kicking import Kicks
from quicgw_fast.flow.large_sessions import LargeSessions
from quicgw_fast.flow.lifecycle import Lifecycle
from quicgw_fast.flow.login import Logins
from quicgw_fast.flow.login_ways import login_way
from quicgw_fast.flow.memory import Memory
from quicgw_fast.flow.moving import MovingSessions, assemble_moving
from quicgw_fast.flow.offline import Offline
from quicgw_fast.flow.ordered import OrderedActions
from quicgw_fast.flow.pending_starts import PendingStarts
from quicgw_fast.flow.replies import Replies
from quicgw_fast.flow.request_memory import RequestMemory
from quicgw_fast.flow.requests import Requests
from quicgw_fast.flow.spreads import Spreads
from quicgw_fast.flow.stages import StageTimes
from quicgw_fast.flow.start import StartHandler
from quicgw_fast.flow.start_refusals import StartRefusals
from quicgw_fast.flow.targets import Targets
from quicgw_fast.flow.to_many import ToMany
from quicgw_fast.flow.tokens import Tokens
from quicgw_fast.overload import Pace, StandingQueue
from quicgw_fast.processor import AsyncRequestProcessor, AsyncTask, execute
from quicgw_fast.session import DevicePolicy, Registry, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.auth import Authenticator, Grant
    from quicgw_fast.backend import ByteBudget, Outbox
    from quicgw_fast.backend.engine import Engine
    from quicgw_fast.clock import Clock
    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.config import Config, LimitsConfig, OfflineConfig, ProcessorConfig, SessionConfig
    from quicgw_fast.delivery import OrderedSender
    from quicgw_fast.errors import RequestError
    from quicgw_fast.events import EventLog
    from quicgw_fast.flow.elsewhere import Elsewhere
    from quicgw_fast.flow.farewell import Farewell
    from quicgw_fast.flow.from_services import FromServices
    from quicgw_fast.flow.requests import RequestProcessor
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload import AttemptLimiter, Gates
    from quicgw_fast.placement import Placement, ReplicaKeeper
    from quicgw_fast.ports import Call, Inflow, ReadingPace
    from quicgw_fast.store import OfflineStore
    from quicgw_fast.trace_context import RequestTracer

R = TypeVar("R")
"""What the work on a task comes to."""


class Asked(NamedTuple):
    """Whom the legs ask, about tokens, what is stored and where openids live; who traces, is told, and is elsewhere."""

    authenticator: Authenticator
    store: OfflineStore | None
    placement: Placement
    tracer: RequestTracer | None
    events: EventLog
    elsewhere: Elsewhere
    may_act: Callable[[str], bool] | None = None
    """Whether anything may be done for an openid now; None where that is always so."""
    replicas: ReplicaKeeper | None = None
    """Who keeps what other gateways go on from when this one dies; None where nobody does."""


@dataclass(frozen=True, slots=True)
class Path:
    """What the outside needs of the way of a message: to bring it in, to stop it, to look at it."""

    conversations: Conversations
    requests: Requests
    services: FromServices
    """Who answers what services ask for."""
    housekeeping: Housekeeping
    draining: DrainState
    hand_out: HandOut
    closing: Closing
    offline: Offline
    kicks: Kicks
    journal: Journal
    moving: MovingSessions
    call_back: CallBack
    pace: ReadingPace
    """Of whoever brings messages in."""

    # To be told of other settings, with those above (``reconfiguring``).
    tokens: Tokens
    attaching: Attaching
    control: ControlMessages
    registry: Registry
    request_memory: RequestMemory
    make_outbox: Callable[[SessionConfig, int], Outbox]
    """By the bounds of a window, and the number after which it begins."""

    # For tests alone, which look at what is kept behind the rest.
    logins: Logins
    attempts: AttemptLimiter
    budget: ByteBudget


def assemble_path(
    config: Config,
    engine: Engine,
    clock: Clock,
    metrics: Metrics,
    gates: Gates,
    farewell: Farewell,
    asked: Asked,
    *,
    call: Call,
    logins_at_once: int,
    chores: Sequence[Callable[[float], None]] = (),
) -> Path:
    """Build the way of a message; ``call`` calls services, ``chores`` get the time (monotonic) in each housekeeping."""
    times, limits, pools, stages = config.session, gates.book.limits, config.processor, StageTimes(clock, metrics)
    draining, journal, request_memory = DrainState(), Journal(metrics), RequestMemory(metrics, limits)
    budget, make_outbox, registry = _make_registry(engine, metrics, times, aloud=config.log.level == "debug")
    life, call_back = Lifecycle(clock, asked.events, registry, journal, asked.placement), CallBack()

    # Down
    base, spreads = (engine, clock, metrics, asked, gates, config.offline, registry, budget, life), Spreads(clock)
    sender, fences, offline, accounts, closing, room, large = _down(*base, spreads, lambda: requests)
    replies = Replies(clock, metrics, request_memory, stages, sender, lambda *to: moving.abroad.hand_on(*to))

    # Up
    make = partial(_make_processor, engine, clock, registry, metrics, pools, asked.may_act)
    ordered = OrderedActions(clock, metrics, config.routing.ordered, replies, lambda task: requests.submit(task))
    work, pool = partial(execute, call=call, clock=clock), partial(make, "logins", logins_at_once)
    processor: RequestProcessor = make("requests", pools.workers, work=work, reply=ordered.reply)
    about, traced = (registry, offline.stored, life), (asked.tracer, stages.inflow)
    started, ask = login_way(config.auth.login, clock, metrics, *about, call)
    logins = Logins(clock, metrics, *about, pool, ask, replies, lambda task: requests.dispatch(task))
    rules = gates.request, gates.task, Crowding(metrics, gates.queue, processor, replies, engine), request_memory
    to = replies, engine, pools.task_timeout, call_back
    requests = Requests(clock, metrics, draining, *rules, processor, logins, ordered, *to, *traced, fences.replication)

    # Who comes in
    arriving, pace = Arriving(clock, metrics, lambda: limits().arriving_memory), config.drain.pace
    whole = gates, farewell, asked, registry, sender, closing, offline, (life, times, limits), started, traced, fences
    tokens, refused, attaching, starts = _entrance(clock, metrics, draining, *whole, lambda came: moving.arrive(came))
    control = ControlMessages(clock, metrics, sender, closing, offline, tokens, times.window_bytes)
    judges = gates.held, gates.message, asked.may_act
    legs = Legs(clock, metrics, life, sender, starts, requests, control, arriving, stages, *judges)
    conversations = Conversations(clock, metrics, engine, legs, journal, times, processor, stages.inflow)
    who_works, kept = (replies, ordered, logins, requests), (registry, offline, accounts, closing, room.make_room)
    many, others = ToMany(clock, metrics, draining, sender, offline, gates.push, spreads), asked.elsewhere
    moving: MovingSessions = assemble_moving(clock, metrics, others, *kept, *who_works, many, times.resume_window)
    whom = Targets(asked.placement, registry, closing, moving.departed, others, asked.may_act), registry
    services = from_services(clock, metrics, draining, *whom, sender, offline, gates.push, many, engine, others, config)

    # What passes with time
    tends = journal.flush, tokens.flush, *(p.tend for p in (arriving, offline, room, metrics, moving, fences, large))
    whose = registry, conversations, sender, closing, refused, times
    housekeeping = Housekeeping(clock, metrics, *whose, [*tends, *chores])
    return Path(
        conversations=conversations, requests=requests, services=services, housekeeping=housekeeping, draining=draining,
        hand_out=HandOut(clock, metrics, draining, registry, closing, farewell, pace, times.slow_consumer_after),
        closing=closing, offline=offline, kicks=Kicks(metrics, registry, closing), pace=Pace(processor), tokens=tokens,
        attaching=attaching, control=control, make_outbox=make_outbox, registry=registry, logins=logins, moving=moving,
        attempts=gates.attempts, request_memory=request_memory, budget=budget, journal=journal, call_back=call_back,
    )  # fmt: skip


def _entrance(
    clock: Clock,
    metrics: Metrics,
    draining: DrainState,
    gates: Gates,
    farewell: Farewell,
    asked: Asked,
    registry: Registry,
    sender: OrderedSender[Session],
    closing: Closing,
    offline: Offline,
    told: tuple[Lifecycle, SessionConfig, Callable[[], LimitsConfig]],
    started: Callable[[Session, Grant], None],
    traced: tuple[RequestTracer | None, Inflow],
    fences: Fences,
    arrive: Callable[[Sequence[bytes]], object],
) -> tuple[Tokens, StartRefusals, Attaching, StartHandler]:
    """Who lets clients in. ``told`` is who hears of it, and of what clients hear."""
    tokens = Tokens(clock, metrics, asked.authenticator, gates.renewal, gates.attempts, started)
    refused = StartRefusals(metrics, farewell)
    pending, stays = PendingStarts(clock, draining, registry, refused), (refused, asked.may_act, fences.replication)
    attaching = Attaching(clock, metrics, registry, sender, closing, offline, tokens, pending, *told, *stays)
    who = asked.placement, pending, refused, attaching, arrive
    return tokens, refused, attaching, StartHandler(clock, metrics, draining, gates.start, tokens, *who, *traced)


def _down(
    engine: Engine,
    clock: Clock,
    metrics: Metrics,
    asked: Asked,
    gates: Gates,
    offline_settings: OfflineConfig,
    registry: Registry,
    budget: ByteBudget,
    life: Lifecycle,
    spreads: Spreads,
    requests: Callable[[], Requests],
) -> tuple[OrderedSender[Session], Fences, Offline, Accounts, Closing, Memory, LargeSessions]:
    """The way down, and how sessions end: what a full window or memory brings about ends one."""
    about = clock, metrics, asked.may_act, asked.replicas, registry
    fences = make_fences(*about, lambda session: sender.pump(session), spreads.heard)
    sender: OrderedSender[Session] = fences.make_sender(
        metrics,
        lambda session: closing.overflowed(session),
        lambda needed: room.make_room(needed),
        engine.push_to_all,
    )
    offline = Offline(SteadyClock(clock), metrics, asked.store, registry, sender, offline_settings)
    accounts = Accounts(metrics, lambda: (session.outbox.tally for session in registry), offline.share)
    closing = Closing(clock, metrics, registry, life, accounts, offline, lambda session: requests().give_up(session))
    room = Memory(clock, metrics, registry, budget, closing, sender.overflow)
    large = LargeSessions(metrics, registry, closing, gates.session, gates.memory.closes_sessions)
    return sender, fences, offline, accounts, closing, room, large


def _make_registry(
    engine: Engine, metrics: Metrics, times: SessionConfig, *, aloud: bool
) -> tuple[ByteBudget, Callable[[SessionConfig, int], Outbox], Registry]:
    """All sessions, what makes their outboxes, and the memory that those share."""
    budget = engine.ByteBudget(times.memory)
    make_outbox, remember, trail = partial(_make_outbox, engine, budget), times.resume_window, times.flight_recorder
    policy = DevicePolicy.of(times.devices)
    registry = Registry(
        partial(make_outbox, times), metrics, remember=remember, trail=trail, aloud=aloud, policy=policy
    )
    return budget, make_outbox, registry


def _make_outbox(engine: Engine, budget: ByteBudget, times: SessionConfig, after: int) -> Outbox:
    """The outbox of a session whose numbers begin at ``after`` + 1."""
    return engine.Outbox(
        after=after,
        window_messages=times.window_messages,
        window_bytes=times.window_bytes,
        max_body=MAX_BODY,
        budget=budget,
    )


def _make_processor(
    engine: Engine,
    clock: Clock,
    registry: Registry,
    metrics: Metrics,
    pools: ProcessorConfig,
    may_act: Callable[[str], bool] | None,
    pool: str,
    workers: int,
    *,
    work: Callable[[AsyncTask[Session], Done[R]], Cancellable],
    reply: Callable[[AsyncTask[Session], R | RequestError], object],
) -> AsyncRequestProcessor[Session, R]:
    """A processor of so many workers, which skips what is for sessions that are gone, here or everywhere."""
    places, of_pool, is_valid = pools.max_queue_size, metrics.part("pool", pool), registry.serviceable
    queue, watch = engine.TaskQueue(places), StandingQueue(pools.queue_target, pools.burst, workers, places)
    begin = fenced(work, may_act)
    return AsyncRequestProcessor(queue, workers, watch, clock, of_pool, work=begin, reply=reply, is_valid=is_valid)
