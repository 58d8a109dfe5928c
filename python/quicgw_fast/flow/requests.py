"""A BUSINESS message on its way up: accepted, checked, and queued (protocol §3)."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, TypeAlias

from quicgw_fast.backend.errors import NumbersUsedUp
from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import RequestError
from quicgw_fast.flow.call_metadata import metadata_of
from quicgw_fast.flow.payloads import parse_payload
from quicgw_fast.flow.request_memory import size_of
from quicgw_fast.overload import NO_REQUEST, Close, RequestFacts, TaskFacts
from quicgw_fast.ports import NO_HEADERS, TerminalReply
from quicgw_fast.processor import AsyncTask
from quicgw_fast.proto.client_pb2 import BusinessRequest
from quicgw_fast.session import Login, RequestElsewhere, Session, SessionState, WaitingRequest

if TYPE_CHECKING:
    from quicgw_fast.backend import ForwardedRequest
    from quicgw_fast.backend.engine import Engine
    from quicgw_fast.clock import Clock
    from quicgw_fast.flow.call_back import CallBack
    from quicgw_fast.flow.crowding import Crowding
    from quicgw_fast.flow.draining import DrainState
    from quicgw_fast.flow.login import Logins
    from quicgw_fast.flow.ordered import OrderedActions
    from quicgw_fast.flow.replication import Replication
    from quicgw_fast.flow.replies import Replies
    from quicgw_fast.flow.request_memory import RequestMemory
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload import Gate, Refusal, Traffic
    from quicgw_fast.ports import Inflow
    from quicgw_fast.processor import AsyncRequestProcessor
    from quicgw_fast.proto.client_pb2 import ClientRequest
    from quicgw_fast.proto.service_pb2 import UpstreamResponse
    from quicgw_fast.trace_context import RequestTracer

    RequestProcessor: TypeAlias = AsyncRequestProcessor[Session, UpstreamResponse]

LOGIN_ACTION = "hello"


class Requests:
    """Takes every BUSINESS message and sees to it that it gets exactly one terminal reply (protocol §3).

    A message becomes a task when it is accepted, and the task is in one place until its reply: behind its session's
    hello or an ordered action, with the logins, or with the processor. Whoever holds it watches its deadline.
    """

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        draining: DrainState,
        request_gate: Gate[RequestFacts, Refusal | Close],
        task_gate: Gate[TaskFacts, Refusal],
        crowding: Crowding,
        memory: RequestMemory,
        processor: RequestProcessor,
        logins: Logins,
        ordered: OrderedActions,
        replies: Replies,
        engine: Engine,
        timeout: float,
        call_back: CallBack,
        tracer: RequestTracer | None,
        inflow: Inflow,
        replication: Replication | None,
    ) -> None:
        """``timeout``: the seconds a request may take; ``inflow`` has what is being handed over.

        ``replication`` is there where a request has to be written down before its service is called.
        """
        self._call_back = call_back
        self._tracer = tracer
        self._inflow = inflow
        self._engine = engine
        self._clock = clock
        self._count_requests = metrics.counter("requests", "BUSINESS messages that were accepted")
        self._count_rate_limited = metrics.counter(
            "rate_limited", "Requests that were answered 429; refused has them by rule"
        )
        self._draining = draining
        self._request_gate = request_gate
        self._task_gate = task_gate
        self._crowding = crowding
        self._memory = memory
        self._processor = processor
        self._logins = logins
        self._ordered = ordered
        self._replies = replies
        self._longest = timeout
        self._stopped = False
        self._replication = replication
        self._begin = self.dispatch if replication is None else partial(replication.accepted, go_on=self.dispatch)
        """What is done with a task that has just been accepted here."""

    def reconfigure(self, timeout: float) -> None:
        """Give the requests that come from now on so many seconds."""
        self._longest = timeout

    def start(self) -> None:
        """Start the workers in the running loop."""
        self._logins.pool.start()
        self._processor.start()

    async def stop(self, deadline: float) -> None:
        """Wait until ``deadline`` (monotonic) for what was accepted, then answer the rest as the processor does.

        Logins first: what waits behind them was accepted too and still has to go through the queue.
        """
        await self._logins.pool.quiet(deadline - self._clock.now())
        self._stopped = True
        await self._logins.stop()
        if self._ordered.waiting:  # each goes through the queue when the one before it is done
            await self._processor.quiet(deadline - self._clock.now())
        await self._processor.stop(deadline - self._clock.now())
        self._ordered.close()

    def give_up(self, session: Session) -> None:
        """Give up what is done for a session that ended, or can only be reset: nobody gets a reply (protocol §3)."""
        self._logins.cancel(session)
        self._ordered.cancel(session)
        self._processor.cancel(session)
        self._memory.end(session)
        if self._tracer is not None:
            self._tracer.given_up(session.id)

    def staying(self, session: Session) -> list[RequestElsewhere]:
        """Of a session that moves, the requests that end here or already elsewhere; their replies follow it."""
        tasks = [*self._logins.pool.tasks(session), *self._ordered.tasks(session), *self._processor.tasks(session)]
        return [*map(_as_elsewhere, tasks), *session.elsewhere.values()]

    def coming_along(self, session: Session) -> list[WaitingRequest]:
        """The others: what waits behind its hello, and cannot go on before the session knows how that ended.

        And what is not written down yet, so that it has not begun.
        """
        return [_as_waiting(task) for task in self._not_begun(session)]

    def left(self, session: Session) -> None:
        """The session moved: let go of what came along."""
        for task in self._not_begun(session):
            self._memory.give_back(session, task.cost)
        self._logins.leave(session)

    def _not_begun(self, session: Session) -> list[AsyncTask[Session]]:
        unwritten = [] if self._replication is None else self._replication.tasks(session)
        return [*self._logins.behind(session), *unwritten]

    def forget(self, session: Session) -> None:
        """The session moved so long ago that whatever ran for it here has its reply."""
        if self._tracer is not None:
            self._tracer.given_up(session.id)  # what came along has its end elsewhere

    def arrived(self, session: Session, waiting: list[WaitingRequest]) -> None:
        """Go on with requests that came along with a session from another gateway."""
        for each in waiting:
            about = each.accepted_at, each.deadline, each.is_login, each.metadata
            task = AsyncTask(session, each.msg_id, each.request, *about, cost=each.cost)
            self._memory.take(session, each.cost)
            self._begin(task)

    def accept(self, session: Session, request: ClientRequest, traffic: Traffic) -> Close | None:
        """Accept the message if its number is the expected one, and see to its reply.

        What is returned says that the connection is to end: the message is not accepted then, and may come again
        with the next one. Raises RequestError 400, which names the right number, for a wrong one.
        """
        now = self._clock.now()
        draining = self._draining.refusing or session in self._draining.going
        refusal = self._request_gate.judge(RequestFacts(session, traffic, draining, now))
        if isinstance(refusal, Close):
            return refusal
        _take_number(session, request.seq_id)
        self._count_requests.value += 1
        if refusal is None and self._processor.crowded:
            refusal = self._crowding.refusal(session, request, now)
        if refusal is not None:
            self._refuse(session, request, refusal)
            return None
        try:
            forwarded = self._forward(session, request)
            task = self._prepare(session, request, forwarded, now)
        except RequestError as error:
            self._replies.send(session, request.seq_id, request.msg_id, TerminalReply.of_error(error))
            return None
        refusal = self._charge(task, forwarded)
        if refusal is not None:
            self._refuse(session, request, refusal)
            return None
        if self._tracer is not None:
            task.trace = self._tracer.begin(forwarded, task.metadata, self._inflow.began, now)
        self._begin(task)
        return None

    def _refuse(self, session: Session, request: ClientRequest, refusal: Refusal) -> None:
        if refusal.code is ErrorCode.RATE_LIMITED:
            self._count_rate_limited.value += 1
        self._replies.send(session, request.seq_id, request.msg_id, _reply_of(refusal))

    def turn_away(self, session: Session, messages: list[bytes], begin: int, traffic: Traffic, now: float) -> int:
        """Refuse, of messages that came together, requests for which the queue has no place, from one on: how many.

        They are accepted and have their replies then. 0 where it takes a look at the message to tell.
        """
        if self._draining.active:
            return 0
        count = self._crowding.turn_away(session, messages, begin, traffic, now)
        self._count_requests.value += count
        return count

    def _charge(self, task: AsyncTask[Session], request: ForwardedRequest) -> Refusal | None:
        """Charge the session for what the task takes until its reply, unless that is too much."""
        cost = size_of(request)
        facts = TaskFacts(task.session, cost, self._memory.used, task.is_login, task.accepted_at)
        refusal = self._task_gate.judge(facts)
        if refusal is None:
            task.cost = cost
            self._memory.take(task.session, cost)
        return refusal

    def _forward(self, session: Session, request: ClientRequest) -> ForwardedRequest:
        """Make what the service gets: the client's words, and the gateway's own as to whose they are."""
        about = session.id, session.openid, request.seq_id
        headers = request.headers or NO_HEADERS
        own = self._call_back.header
        forwarded = self._engine.forward(*about, request.payload, headers, own)
        if forwarded is None:
            # Valid or not, that is protobuf's to say; what it writes itself is in the ordinary form.
            business = parse_payload(BusinessRequest, request.payload)
            business.DiscardUnknownFields()
            forwarded = self._engine.forward(*about, business.SerializeToString(), headers, own)
            assert forwarded is not None
        return forwarded

    def _prepare(
        self, session: Session, request: ClientRequest, forwarded: ForwardedRequest, now: float
    ) -> AsyncTask[Session]:
        """Make the task; from here on the message itself is not needed any more."""
        if not forwarded.action:
            raise RequestError(ErrorCode.BAD_REQUEST, "missing field", "action is empty")
        is_login = forwarded.action.lower() == LOGIN_ACTION
        if not is_login and session.login is Login.IDLE:
            _require_login(session)
        deadline = now + self._timeout(request)
        metadata = metadata_of(f"{session.id}-{request.seq_id}", request.headers)
        return AsyncTask(session, request.msg_id, forwarded, now, deadline, is_login, metadata)

    def dispatch(self, task: AsyncTask[Session]) -> None:
        """Hand an accepted task on: behind the hello under way, to the logins, or to the processor."""
        try:
            self._place(task)
        except RequestError as error:
            self._replies.to_task(task, TerminalReply.of_error(error))

    def _place(self, task: AsyncTask[Session]) -> None:
        """Put the task where it waits for its turn; RequestError where it may not, or where there is no place."""
        if self._stopped:
            raise NO_REQUEST.error()
        if task.session.login is Login.UNDER_WAY:
            self._logins.wait_behind(task)
            return
        if task.is_login:
            if not self._logins.submit(task):
                raise self._crowding.no_place("logins", self._logins.pool.retry_after).error()
            return
        _require_login(task.session)
        if self._ordered and self._ordered.concerns(task):
            self._ordered.place(task)
        else:
            self.submit(task)

    def submit(self, task: AsyncTask[Session]) -> None:
        """Hand a task to the processor; RequestError where there is no place."""
        if not self._processor.submit(task):
            raise self._crowding.no_place("requests", self._processor.retry_after).error()

    def _timeout(self, request: ClientRequest) -> float:
        """Seconds that the request may take: the configured ones, or fewer if its client asks so."""
        asked = request.headers.get("timeout-ms")
        if asked is None:
            return self._longest
        if not (asked.isascii() and asked.isdigit() and 0 < len(asked) < 16 and int(asked) > 0):
            raise RequestError(
                ErrorCode.BAD_REQUEST, "bad header", f"timeout-ms is {asked[:32]!r}; write whole milliseconds above 0"
            )
        return min(self._longest, int(asked) / 1000)


@lru_cache(maxsize=256)
def _reply_of(refusal: Refusal) -> TerminalReply:
    """Make the reply of a refusal, once for those that come by the thousand."""
    return TerminalReply.of_error(refusal.error())


def _as_elsewhere(task: AsyncTask[Session]) -> RequestElsewhere:
    return RequestElsewhere(task.seq_id, task.msg_id, task.request.action.lower(), task.is_login, task.deadline)


def _as_waiting(task: AsyncTask[Session]) -> WaitingRequest:
    times = task.accepted_at, task.deadline
    return WaitingRequest(task.request, task.msg_id, task.is_login, *times, task.metadata, task.cost)


def _take_number(session: Session, seq_id: int) -> None:
    try:
        expected = session.outbox.accept(seq_id)
    except NumbersUsedUp as error:
        raise RequestError(
            ErrorCode.BAD_REQUEST, "numbers used up", "seq_id is at its end; START a fresh session"
        ) from error
    if expected:
        raise RequestError(ErrorCode.BAD_REQUEST, "wrong seq_id", f"expected {expected}, got {seq_id}")


def _require_login(session: Session) -> None:
    if session.state is not SessionState.NORMAL:
        raise RequestError(ErrorCode.UNAUTHORIZED, "not logged in", f"send {LOGIN_ACTION} first")
