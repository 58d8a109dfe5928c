"""START: who may come in, and whether its openid may live here (protocol §2)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from quicgw_fast.backend.errors import BudgetFull
from quicgw_fast.codes import CloseCode, ErrorCode, RequestType
from quicgw_fast.errors import ProtocolError, RequestError
from quicgw_fast.flow.payloads import parse_start
from quicgw_fast.flow.pending_starts import AdmittedStart
from quicgw_fast.overload import StartFacts
from quicgw_fast.placement import Attempt, Place, PlaceTrouble
from quicgw_fast.session import MAX_OPENID, StartClaim, UnreadableSession

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from quicgw_fast.auth import Grant
    from quicgw_fast.clock import Clock
    from quicgw_fast.flow.attaching import Attaching
    from quicgw_fast.flow.client import ConnectedClient
    from quicgw_fast.flow.draining import DrainState
    from quicgw_fast.flow.pending_starts import PendingStarts
    from quicgw_fast.flow.start_refusals import StartRefusals
    from quicgw_fast.flow.tokens import Tokens
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload import Gate, StartRefusal
    from quicgw_fast.placement import Placement
    from quicgw_fast.ports import Inflow
    from quicgw_fast.proto.client_pb2 import ClientRequest
    from quicgw_fast.trace_context import RequestTracer

MAX_LAST_ACKED = (1 << 63) - 1
"""A fresh session numbers on from what the client names, and numbers must not run out."""
RETRY_ARRIVAL: Final = 1.0
"""Seconds after which there may be memory for a session that could not be taken over."""
NO_ANSWER: Final = Place(here=False, detail="it was not found out in time whether the openid may live here")


class StartHandler:
    """Decides which STARTs are let in; ``attaching`` gives them their sessions."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        draining: DrainState,
        gate: Gate[StartFacts, StartRefusal],
        tokens: Tokens,
        placement: Placement,
        pending: PendingStarts,
        refusals: StartRefusals,
        attaching: Attaching,
        arrive: Callable[[Sequence[bytes]], object],
        tracer: RequestTracer | None,
        inflow: Inflow,
    ) -> None:
        """``arrive`` has sessions here that other gateways gave; ``inflow`` has what is being handed over."""
        self._clock = clock
        self._count_starts_departed = metrics.counter(
            "starts_departed", "STARTs that were not acted on, as their client had left already"
        )
        self._count_starts_outdated = metrics.counter(
            "starts_outdated", "STARTs that were refused, as a newer attempt of the same epoch was here before"
        )
        self._count_starts_elsewhere = metrics.counter(
            "starts_online_elsewhere", "STARTs that were refused, as another client of their openid was online"
        )
        self._count_starts_misplaced = metrics.counter(
            "starts_misplaced", "STARTs that were refused, as it was not granted that their openid lives here"
        )
        self._draining = draining
        self._gate = gate
        self._tokens = tokens
        self._placement = placement
        self._pending = pending
        self._refusals = refusals
        self._attaching = attaching
        self._arrive = arrive
        self._tracer = tracer
        self._inflow = inflow

    def start(self, client: ConnectedClient, request: ClientRequest) -> None:
        """Handle the first message of a connection; ProtocolError when it is not a START."""
        if int(request.type) != RequestType.START:
            raise ProtocolError(
                ErrorCode.BAD_REQUEST, "START expected", "the first message must be START", msg_id=request.msg_id
            )
        if client.link.departed:
            # Perhaps an old attempt, late in the network: a session must not be taken for who is gone (protocol §2).
            self._count_starts_departed.value += 1
            client.ignore()
            return
        self._decide(client, request)

    def _decide(self, client: ConnectedClient, request: ClientRequest) -> None:
        """Refuse the START, or go on with where its openid lives."""
        try:
            claim, token = _claim(request)
            if self._tracer is not None:
                client.start_trace = self._tracer.start(claim.openid, request.headers, self._inflow.began)
            now = self._clock.now()
            refusal = self._gate.judge(StartFacts(client.link.peer, claim.openid, self._draining.active, now))
            if refusal is not None:
                self._refusals.refuse_by_rule(client, request.msg_id, refusal)
                return
            grant = self._check(client, claim, token)
        except RequestError as error:
            self._refusals.refuse(client, request.msg_id, error)
        else:
            self._claim_place(AdmittedStart(client, request.msg_id, claim, grant))

    def refuse_second(self, client: ConnectedClient, request: ClientRequest) -> None:
        """START on a connection that has a session."""
        twice = RequestError(
            ErrorCode.BAD_REQUEST, "START twice", "this connection has its session; reconnect for another one"
        )
        self._refusals.refuse(client, request.msg_id, twice)

    def _check(self, client: ConnectedClient, claim: StartClaim, token: str) -> Grant:
        """Find out whether the client is who it says it is, and in time; RequestError 401 or 403."""
        grant = self._tokens.check(client.link.peer, claim.openid, token)
        if self._pending.attempts(claim.openid).outdated(claim):
            self._count_starts_outdated.value += 1
            raise RequestError(
                ErrorCode.FORBIDDEN, "outdated START", "a newer attempt of the same epoch was here before"
            )
        return grant

    def _claim_place(self, start: AdmittedStart) -> None:
        if self._pending.online_elsewhere(start.claim):
            self._refuse_another(start)
            return
        self._pending.newer(start.claim)
        answer = self._placement.claim(
            start.claim.openid, start.claim.session_id, Attempt(start.claim.epoch, start.claim.attempt)
        )
        if isinstance(answer, Place):
            self._placed(start, answer)
        else:
            self._pending.hold(start, answer, partial(self._answered, start, answer))

    def _answered(self, start: AdmittedStart, answer: asyncio.Future[Place]) -> None:
        if self._pending.online_elsewhere(start.claim):  # who was there all along has come back meanwhile
            self._refuse_another(start)
        else:
            self._placed(start, answer.result() if answer.done() else NO_ANSWER)

    def _refuse_another(self, start: AdmittedStart) -> None:
        """Tell a client that another one of its openid is online and stays (``session.devices``)."""
        self._count_starts_elsewhere.value += 1
        error = RequestError(
            ErrorCode.FORBIDDEN,
            "already online",
            "another client of this openid is online, and its session is not taken over",
            error_code=CloseCode.ALREADY_ONLINE.name,
        )
        self._refusals.refuse(start.client, start.msg_id, error, CloseCode.ALREADY_ONLINE)

    def _placed(self, start: AdmittedStart, place: Place) -> None:
        if not place.here:
            self._count_starts_misplaced.value += 1
            if place.trouble is PlaceTrouble.SUPERSEDED:
                superseded = RequestError(ErrorCode.FORBIDDEN, "superseded", place.detail)
                self._refusals.refuse(start.client, start.msg_id, superseded)
            else:
                self._refuse(start, place.detail, place.retry_after)
            return
        try:
            if place.arrivals:
                self._arrive(place.arrivals)
        except BudgetFull:
            self._refuse(start, "there is no memory for the session that comes with it", RETRY_ARRIVAL)
        except UnreadableSession as error:
            self._refuse(start, f"its session comes from a gateway of another release ({error})", None)
        else:
            self._attaching.attach(start, place.lost)

    def _refuse(self, start: AdmittedStart, why: str, retry_after: float | None) -> None:
        retry_after_ms = None if retry_after is None else round(retry_after * 1000)
        error = RequestError(ErrorCode.OVERLOADED, "not at this gateway", why, retry_after_ms=retry_after_ms)
        # Not DRAINING: this gateway goes on, and others of its clients may come back to it.
        self._refusals.refuse(start.client, start.msg_id, error, CloseCode.INTERNAL)


def _claim(request: ClientRequest) -> tuple[StartClaim, str]:
    """Validate a START and return what it claims, with the token; RequestError 400."""
    if request.seq_id:
        raise RequestError(ErrorCode.BAD_REQUEST, "wrong seq_id", f"expected 0 for START, got {request.seq_id}")
    start = parse_start(request.payload)
    if not start.openid:
        raise RequestError(ErrorCode.BAD_REQUEST, "missing field", "openid is empty")
    if len(start.openid.encode()) > MAX_OPENID:
        raise RequestError(ErrorCode.BAD_REQUEST, "bad field", f"openid is over {MAX_OPENID} bytes")
    if start.last_acked_seq_id > MAX_LAST_ACKED:
        raise RequestError(ErrorCode.BAD_REQUEST, "bad field", "last_acked_seq_id is over 2**63 - 1")
    claim = StartClaim(start.openid, start.last_acked_seq_id, start.session_id, start.epoch, start.attempt)
    return claim, start.auth_token
