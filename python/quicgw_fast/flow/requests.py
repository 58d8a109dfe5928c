"""A BUSINESS message on its way up: accepted, checked, routed, queued; and its one reply on the way down."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from quicgw_fast.backend.errors import FrameTooLarge, NumbersUsedUp
from quicgw_fast.carrier import parse_payload
from quicgw_fast.codes import ErrorCode, PushType
from quicgw_fast.errors import RequestError
from quicgw_fast.flow.login import Logins
from quicgw_fast.overload import RequestMemory, size_of
from quicgw_fast.processor import AsyncRequestProcessor, AsyncTask, Outcome, Ports, execute
from quicgw_fast.proto.client_pb2 import BusinessRequest
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.rates import TokenBucket
from quicgw_fast.session import Login, Session, State

if TYPE_CHECKING:
    from quicgw_fast.flow.parts import Parts
    from quicgw_fast.proto.client_pb2 import ClientRequest

LOGIN_ACTION = "hello"


class Requests:
    """Takes every BUSINESS message and sees to it that it gets exactly one terminal reply (protocol §3).

    A message becomes a task when it is accepted, and the task is in one place until its reply: behind its session's
    hello, with the logins, or with the processor. Whoever holds it watches its deadline.
    """

    def __init__(self, parts: Parts) -> None:
        """Also makes the processor of ``parts``."""
        self._parts = parts
        self._stopped = False
        limits = parts.config.limits
        self.memory = RequestMemory(limits.request_bytes, limits.request_memory)
        self.logins = Logins(parts, reply=self.reply, is_valid=self.is_valid, go_on=self._dispatch)
        work = functools.partial(execute, call=parts.call, clock=parts.clock)
        ports = Ports(work, self.reply, self.is_valid, parts.clock, parts.call_later)
        queue = parts.engine.TaskQueue(parts.config.processor.max_queue_size)
        parts.processor = AsyncRequestProcessor(queue, ports, parts.config.processor.workers)

    def start(self) -> None:
        """Start the workers in the running loop."""
        self.logins.pool.start()
        self._parts.processor.start()

    async def stop(self, timeout: float) -> None:
        """Wait at most ``timeout`` seconds for logins and what waits behind them, then answer the rest 503.

        What is with the processor then is stopped with that.
        """
        await self.logins.pool.quiet(timeout)
        self._stopped = True
        await self.logins.stop()

    def give_up(self, session: Session) -> None:
        """Give up what is done for a session that ended, or can only be reset: nobody gets a reply (protocol §3)."""
        self.logins.cancel(session)
        self._parts.processor.cancel(session)
        self.memory.end(session)

    # Up

    def accept(self, session: Session, request: ClientRequest) -> None:
        """Accept the message if its number is the expected one; RequestError 400 names the right one otherwise."""
        try:
            expected = session.outbox.accept(request.seq_id)
        except NumbersUsedUp as error:
            raise RequestError(
                ErrorCode.BAD_REQUEST, "numbers used up", "seq_id is at its end; START a fresh session"
            ) from error
        if expected:
            raise RequestError(ErrorCode.BAD_REQUEST, "wrong seq_id", f"expected {expected}, got {request.seq_id}")
        self._parts.counters.add("requests")
        try:
            task = self._admit(session, request)
        except RequestError as error:
            if error.code is ErrorCode.RATE_LIMITED:
                self._parts.counters.add("rate_limited")
            self._send(session, request.seq_id, request.msg_id, Outcome.of_error(error))
        else:
            self._dispatch(task)

    def _admit(self, session: Session, request: ClientRequest) -> AsyncTask:
        if self._parts.draining:
            raise RequestError(ErrorCode.OVERLOADED, "overloaded", "the gateway is stopping")
        now = self._parts.clock()
        self._check_limits(session, now)
        task = self._prepare(session, request, now)
        task.cost = size_of(task.request)
        self.memory.take(session, task.cost)
        return task

    def _check_limits(self, session: Session, now: float) -> None:
        limits = self._parts.config.limits
        if session.allowance is None:
            session.allowance = TokenBucket(limits.messages_per_second, limits.message_burst)
        wait = session.allowance.take(now)
        if wait > 0:
            rate = f"over {limits.messages_per_second:g} messages a second"
            raise RequestError(ErrorCode.RATE_LIMITED, "too many messages", rate, retry_after_ms=int(wait * 1000) + 1)
        if session.outbox.in_flight > limits.in_flight:
            open_now = f"{limits.in_flight} requests wait for their reply"
            raise RequestError(ErrorCode.RATE_LIMITED, "too many requests in flight", open_now)

    def _prepare(self, session: Session, request: ClientRequest, now: float) -> AsyncTask:
        """Make the task; from here on the message itself is not needed any more."""
        business = parse_payload(BusinessRequest, request.payload)
        if not business.action:
            raise RequestError(ErrorCode.BAD_REQUEST, "missing field", "action is empty")
        is_login = business.action.lower() == LOGIN_ACTION
        if not is_login and session.login is Login.IDLE:
            _require_login(session)
        upstream = UpstreamRequest(
            session_id=session.id,
            openid=session.openid,
            action=business.action,
            params=business.params,
            data=business.data,
            headers=request.headers,
            client_seq_id=request.seq_id,
        )
        service = self._parts.route(business.action, session.openid)
        return AsyncTask(session, request.msg_id, service, upstream, now + self._timeout(request), is_login)

    def _dispatch(self, task: AsyncTask) -> None:
        """Hand an accepted task on: behind the hello under way, to the logins, or to the processor."""
        try:
            if self._stopped:
                raise RequestError(ErrorCode.OVERLOADED, "overloaded", "the gateway is stopping")
            if task.session.login is Login.UNDER_WAY:
                self.logins.wait_behind(task)
                return
            if not task.is_login:
                _require_login(task.session)
            submit = self.logins.submit if task.is_login else self._parts.processor.submit
            if not submit(task):
                self._parts.counters.add("queue_full")
                raise RequestError(ErrorCode.OVERLOADED, "overloaded", f"the queue of {_kind(task)} is full")
        except RequestError as error:
            self.reply(task, Outcome.of_error(error))

    def _timeout(self, request: ClientRequest) -> float:
        """Seconds that the request may take: the configured ones, or fewer if its client asks so."""
        longest = self._parts.config.processor.task_timeout
        asked = request.headers.get("timeout-ms")
        if asked is None:
            return longest
        if not (asked.isascii() and asked.isdigit() and 0 < len(asked) < 16 and int(asked) > 0):
            raise RequestError(
                ErrorCode.BAD_REQUEST, "bad header", f"timeout-ms is {asked[:32]!r}; write whole milliseconds above 0"
            )
        return min(longest, int(asked) / 1000)

    # Down

    def is_valid(self, task: AsyncTask) -> bool:
        """Whether the task's session can still get a reply; the worker skips the task otherwise."""
        window = self._parts.config.session.resume_window
        return bool(task.session.serviceable(self._parts.clock(), window))

    def reply(self, task: AsyncTask, outcome: Outcome) -> bool:
        """Send the one terminal reply of a task; True when it is the given one and was sent."""
        self.memory.give_back(task.session, task.cost)
        task.cost = 0
        return self._send(task.session, task.seq_id, task.msg_id, outcome)

    def _send(self, session: Session, seq_id: int, msg_id: int, outcome: Outcome) -> bool:
        counters = self._parts.counters
        if session.state is State.CLOSED:  # counted with what was in flight when it ended
            return False
        try:
            sent = self._commit(session, seq_id, msg_id, outcome)
        except FrameTooLarge as error:  # who called the service refuses such answers; whatever comes here has its reply
            too_large = RequestError(ErrorCode.FAILED, "upstream answer too large", str(error))
            self._commit(session, seq_id, msg_id, Outcome.of_error(too_large))
            counters.add("errors")
            return False
        if not sent:
            counters.add("replies_dropped")
        else:
            counters.add("errors" if outcome.push_type is PushType.ERROR else "replies")
        return sent

    def _commit(self, session: Session, seq_id: int, msg_id: int, outcome: Outcome) -> bool:
        return self._parts.sender.reply(
            session,
            seq_id,
            msg_id,
            outcome.push_type,
            outcome.code,
            outcome.message,
            outcome.data,
            outcome.headers,
        )


def _require_login(session: Session) -> None:
    if session.state is not State.NORMAL:
        raise RequestError(ErrorCode.UNAUTHORIZED, "not logged in", f"send {LOGIN_ACTION} first")


def _kind(task: AsyncTask) -> str:
    return "logins" if task.is_login else "requests"
