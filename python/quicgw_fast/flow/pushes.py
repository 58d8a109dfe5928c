"""What services push through the gateway: to one session, to all of an openid, to a gid, or to all (protocol §4)."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.backend.errors import (
    BindRefused,
    BudgetFull,
    CacheFull,
    FrameTooLarge,
    Overflowed,
    WindowFull,
)
from quicgw_fast.codes import BindCode, PushCode, SyncHint
from quicgw_fast.delivery import notify_body
from quicgw_fast.flow.copies import give_each
from quicgw_fast.flow.handovers import offline_id
from quicgw_fast.flow.idempotency import Idempotency, KeyCounters
from quicgw_fast.flow.parcels import Parcels
from quicgw_fast.flow.spreads import ForMany
from quicgw_fast.flow.taken import Taken
from quicgw_fast.flow.targets import PushRefused, meant, not_found, unwritten
from quicgw_fast.overload import PushFacts
from quicgw_fast.proto.service_pb2 import BroadcastResponse, UnicastPushResponse
from quicgw_fast.session import DOWN, EntryKind, SessionState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quicgw_fast.backend.engine import EncodeBody
    from quicgw_fast.clock import Clock
    from quicgw_fast.config import PushConfig
    from quicgw_fast.delivery import Barrier, OrderedSender
    from quicgw_fast.flow.draining import DrainState
    from quicgw_fast.flow.elsewhere import Elsewhere
    from quicgw_fast.flow.offline import Offline
    from quicgw_fast.flow.targets import Targets
    from quicgw_fast.flow.to_many import ToMany
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload import Gate, PushRefusal
    from quicgw_fast.proto.service_pb2 import BroadcastRequest, UnicastPushRequest
    from quicgw_fast.session import Asker, Parcel, Registry, Session

BATCH_SLICE = 64
"""Pushes of a batch that are taken before the loop may do something else."""


class Pushes:
    """Answers PushToClient and BroadcastToClients; success is only said of what was really taken."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        draining: DrainState,
        targets: Targets,
        registry: Registry,
        sender: OrderedSender[Session],
        offline: Offline,
        gate: Gate[PushFacts, PushRefusal],
        many: ToMany,
        encode_body: EncodeBody,
        elsewhere: Elsewhere,
        settings: PushConfig,
        bind_timeout: float,
    ) -> None:
        """``encode_body`` is the engine's; ``bind_timeout`` are the seconds that a notify waits for its reply."""
        self._clock = clock
        self._count_pushes = metrics.counter("pushes", "Unicast pushes that services asked for")
        self._count_pushes_refused = metrics.counter("pushes_refused", "Unicast pushes that were refused")
        self._count_broadcasts = metrics.counter("broadcasts", "Broadcasts that services asked for")
        self._count_pushes_stored = metrics.counter("pushes_stored", "Unicast pushes that the offline store took")
        self._count_forwarded = metrics.counter(
            "pushes_forwarded", "Unicast pushes that were given to the gateways to which their sessions went"
        )
        self._draining = draining
        self._targets = targets
        self._registry = registry
        self._sender = sender
        self._offline = offline
        self._gate = gate
        self._many = many
        self._encode_body = encode_body
        self._elsewhere = elsewhere
        counted = KeyCounters(
            metrics.counter("pushes_repeated", "Pushes that were answered as one before them was"),
            metrics.counter(
                "push_keys_forgotten", "Idempotency keys that were forgotten before their time, as too many came"
            ),
        )
        self._keys = keys = Idempotency[Taken](clock, settings, lambda taken: taken.answer.success, counted)
        metrics.gauge("push_keys", "Idempotency keys that are remembered", lambda: len(keys))
        self._parcels = Parcels(clock, metrics, offline.tracking, settings)
        self._tracking = offline.tracking
        self._bind_timeout = bind_timeout
        self._barrier = sender.barrier

    def reconfigure(self, bind_timeout: float, settings: PushConfig) -> None:
        """Have the notifies that are bound from now on wait for so many seconds, and go by other bounds."""
        self._bind_timeout = bind_timeout
        self._keys.reconfigure(settings)
        self._parcels.reconfigure(settings)

    def stop(self) -> None:
        """Answer all who wait for an acknowledgement; what of theirs is stored waits for the next process."""
        self._parcels.stop()

    async def push(
        self, request: UnicastPushRequest, *, follow: bool = False, ask: bool = True, sure: bool = True
    ) -> Taken:
        """Deliver, cache, bind or store one notify, and say which; with ``follow``, to wait for what becomes of it.

        Without ``ask`` another gateway was asked for it, and found it here: what is not here is refused with MOVED.
        Without ``sure`` somebody else sees to it that it is written down.
        """
        self._count_pushes.value += 1
        if not request.idempotency_key:
            taken = await self._take(request, follow=follow, ask=ask)
        else:
            try:
                target = request.target_type, request.target_id
                taken = await self._keys.once(target, request, partial(self._take, request, follow=follow, ask=ask))
            except PushRefused as refused:
                return Taken(self._refusal(refused))
        if sure and self._barrier is not None:
            await self._written([taken], self._barrier)
        return taken

    async def batch(self, requests: Iterable[UnicastPushRequest], *, ask: bool = True) -> list[Taken]:
        """Take one after the other; what one of them comes to means nothing to the others. ``ask`` as in ``push``."""
        taken: list[Taken] = []
        try:
            for number, request in enumerate(requests, 1):
                taken.append(await self.push(request, ask=ask, sure=False))
                if number % BATCH_SLICE == 0:
                    await asyncio.sleep(0)
        except BaseException:
            _forgo(taken)
            raise
        if self._barrier is not None:
            await self._written(taken, self._barrier)
        return taken

    async def _written(self, taken: list[Taken], barrier: Barrier[Session]) -> None:
        """Wait until they are written down; who asks again with the key of one that is not is told so, too."""
        sessions = {session for each in taken for session in each.unwritten or ()}
        try:
            written = dict(zip(sessions, await barrier.written(sessions), strict=True))
        except BaseException:
            _forgo(taken)
            raise
        for each in taken:
            if each.unwritten is None:
                continue
            if not all(written[session] for session in each.unwritten):
                each.forgo()
                each.answer.CopyFrom(self._refusal(unwritten()))
            each.unwritten.clear()

    async def broadcast(self, request: BroadcastRequest) -> BroadcastResponse:
        """Send one notify to every logged-in session; ``sent_count`` is how many took it."""
        self._count_broadcasts.value += 1
        try:
            body = notify_body(request, self._encode_body)
        except FrameTooLarge as error:
            return BroadcastResponse(sent_count=0, message=f"refused: {error}")
        many = ForMany(body, EntryKind.BROADCAST, "", lambda: list(self._registry), _logged_in, request.spread_id)
        reached = await self._many.send(many)
        return BroadcastResponse(
            sent_count=reached.sent, message="sent", pending_bytes=reached.pending, most_pending_bytes=reached.most
        )

    async def _take(self, request: UnicastPushRequest, *, follow: bool, ask: bool) -> Taken:
        sessions: Sequence[Session] = ()
        parcel = receipt = None
        count = 0
        try:
            found = await self._find(request, ask=ask)
            if isinstance(found, UnicastPushResponse):
                return Taken(found)
            sessions, count = found, len(found)
            openid = sessions[0].openid if sessions else request.target_id
            receipt = self._parcels.open(request, openid, follow=follow)
            body = self._body(request, stored=not sessions)
            if count > 1:
                sessions = meant(sessions, request)
                count = len(sessions)
            if count > 1:
                give = partial(self._give_copy, request, body)
                told = give_each(sessions, give, receipt)
                answer = UnicastPushResponse(success=True, message=told[0], sessions=len(told))
            else:
                parcel = self._parcels.make(request, receipt)
                if sessions:
                    done = self._give(sessions[0], request, body, parcel)
                else:
                    done = await self._store(request, body, parcel)
                answer = UnicastPushResponse(success=True, message=done, sessions=count)
        except BaseException as error:
            if receipt is not None:
                receipt.refused()
            if not isinstance(error, PushRefused):
                raise
            answer, parcel, receipt = self._refusal(error), None, None
        if sessions:  # also with a refusal: a full window is what makes a service ask
            answer.pending_bytes = sessions[0].outbox.memory if count == 1 else _most_pending(sessions)
        if parcel is not None:
            answer.seq_id = parcel.number
        took = set(sessions) if answer.success and self._barrier is not None else None
        return Taken(answer, receipt, parcel, took)

    async def _find(self, request: UnicastPushRequest, *, ask: bool) -> Sequence[Session] | UnicastPushResponse:
        """Return whom here it is for, as ``Targets.find``; or the answer of the gateway that has the session.

        Services know this gateway from the requests that they had of it, wherever the session went.
        """
        target = request.target_type, request.target_id
        found = await self._targets.find(*target, ask=ask)
        if found is not None:
            return found
        if not ask:
            raise PushRefused(PushCode.MOVED, "it has just gone from here")
        self._count_forwarded.value += 1
        answer = await self._elsewhere.push(request)
        return self._targets.here(*target) if answer is None else answer

    def _refusal(self, refused: PushRefused) -> UnicastPushResponse:
        self._count_pushes_refused.value += 1
        return UnicastPushResponse(success=False, message=str(refused), error_code=refused.code)

    def _body(self, request: UnicastPushRequest, *, stored: bool) -> bytes:
        """The notify, as every session gets it; one that is to be stored has a name by which it is known again."""
        # Behind the target: of two faults the sender is told that of the target, whichever way it is looked for.
        if int(request.sync_hint) not in list(SyncHint):
            raise PushRefused(PushCode.BAD_SYNC_HINT, f"sync_hint {request.sync_hint} is unknown")
        try:
            return notify_body(request, self._encode_body, offline_id() if stored else None)
        except FrameTooLarge as error:
            raise PushRefused(PushCode.MESSAGE_TOO_LARGE, str(error)) from error

    def _give_copy(self, request: UnicastPushRequest, body: bytes, session: Session, asker: Asker | None) -> str:
        return self._give(session, request, body, self._parcels.make(request, asker))

    def _give(self, session: Session, request: UnicastPushRequest, body: bytes, parcel: Parcel | None) -> str:
        """Have one session take it, and say what became of it there; raises PushRefused."""
        if session.outbox.overflowed:  # refused here, so that it is not counted as missed by the client
            raise PushRefused(PushCode.WINDOW_FULL, "the session overflowed and can only be reset")
        immediate = int(request.sync_hint) == SyncHint.IMMEDIATELY
        deliverable = (
            self._many.deliverable(session) if immediate else self._bindable(session, request.bind_client_seq_id)
        )
        refusal = self._gate.judge(PushFacts(self._draining.active, deliverable))
        if refusal is not None:
            raise PushRefused(refusal.code, refusal.why)
        try:
            done = self._now(session, body, parcel) if immediate else self._bind(session, request, body, parcel)
        except (WindowFull, Overflowed) as error:
            raise PushRefused(PushCode.WINDOW_FULL, str(error)) from error
        self._note(session, request, parcel, done)
        return done

    def _note(self, session: Session, request: UnicastPushRequest, parcel: Parcel | None, done: str) -> None:
        """Count it, and keep it in the trail of the session."""
        self._many.taken.value += 1
        if session.trail is not None:
            number = session.outbox.last_seq if parcel is None else parcel.number
            size = len(request.data or request.content.encode())
            session.trail.append((self._clock.now(), DOWN, EntryKind.NOTIFY, number, size, None, done, None))

    def _bindable(self, session: Session, client_seq: int) -> bool:
        """As ``ToMany.deliverable``, of a notify that is bound to a request; the offline store does not take those."""
        if self._draining.moving:
            return True
        return session.reachable and client_seq <= session.outbox.max_client_seq  # others will not be called any more

    async def _store(self, request: UnicastPushRequest, body: bytes, parcel: Parcel | None) -> str:
        """Keep a notify whose openid is away. One that is bound to a request has lost its request."""
        result = None
        if request.target_type == "openid" and request.target_id and int(request.sync_hint) == SyncHint.IMMEDIATELY:
            result = await self._offline.put(request.target_id, body, parcel)
        if result is None:
            raise not_found(request.target_type, request.target_id)
        if result.error_code is not None:
            raise PushRefused(result.error_code, result.message)
        self._count_pushes_stored.value += 1
        self._many.taken.value += 1
        return "stored"

    def _now(self, session: Session, body: bytes, parcel: Parcel | None) -> str:
        if not session.may_release:
            self._hold(session, body, parcel)
            return "cached"
        if parcel is not None and parcel.patient:
            return self._when_it_can_leave(session, body, parcel)
        self._sender.push(session, body)
        if parcel is not None:
            self._tracking.sent(session, parcel)
        return _sent(session)

    def _when_it_can_leave(self, session: Session, body: bytes, parcel: Parcel) -> str:
        """Send now, or have it take its number as soon as its connection has room: until then it can be dropped."""
        if self._tracking.older(session, parcel.key) is None and self._sender.takes(session):
            try:
                self._sender.push(session, body)
            except WindowFull:
                pass  # it waits for the room
            else:
                self._tracking.sent(session, parcel)
                return _sent(session)
        self._hold(session, body, parcel)
        self._sender.go_on(session)
        self._tracking.look(session)
        return _sent(session) if parcel.number else "waiting"

    def _hold(self, session: Session, body: bytes, parcel: Parcel | None) -> None:
        ticket = 0 if parcel is None else parcel.ticket
        older = None if parcel is None else self._tracking.older(session, parcel.key)
        try:
            self._sender.hold(session, body, ticket, 0 if older is None else older.ticket)
        except (CacheFull, BudgetFull) as error:
            raise PushRefused(PushCode.CACHE_FULL, str(error)) from error
        if parcel is not None:
            self._tracking.waits(session, parcel, older)

    def _bind(self, session: Session, request: UnicastPushRequest, body: bytes, parcel: Parcel | None) -> str:
        before = int(request.sync_hint) == SyncHint.BEFORE_RESPONSE
        expires_at = self._clock.now() + self._bind_timeout
        ticket = 0 if parcel is None else parcel.ticket
        try:
            sent = self._sender.bind(
                session, request.bind_client_seq_id, body, before=before, expires_at=expires_at, ticket=ticket
            )
        except BindRefused as error:
            raise PushRefused(error.code, str(error)) from error
        except BudgetFull as error:
            raise PushRefused(BindCode.LIMIT, str(error)) from error
        if parcel is not None:
            (self._tracking.sent if sent else self._tracking.waits)(session, parcel)
        return _sent(session) if sent else "bound"


def _forgo(taken: list[Taken]) -> None:
    for each in taken:
        each.forgo()


def _logged_in(sessions: list[Session]) -> list[Session]:
    return [session for session in sessions if session.state is SessionState.NORMAL]


def _most_pending(sessions: Sequence[Session]) -> int:
    """Bytes that are kept for the one of them for which most are."""
    return max(session.outbox.memory for session in sessions)


def _sent(session: Session) -> str:
    """What became of a notify that took its number: a connection that is about to go takes nothing any more."""
    return "sent" if session.reachable else "retained"
