"""A BUSINESS message on its way up: accepted, checked, routed, queued; and its one reply on the way down."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from quicgw_fast._proto.client_pb2 import BusinessRequest
from quicgw_fast._proto.service_pb2 import UpstreamRequest
from quicgw_fast.backend.errors import FrameTooLarge, NumbersUsedUp
from quicgw_fast.errors import RequestError
from quicgw_fast.frame import parse_payload
from quicgw_fast.processor import AsyncTask, Outcome, execute
from quicgw_fast.rates import TokenBucket
from quicgw_fast.session import Event, Session, State
from quicgw_fast.types import PushType

if TYPE_CHECKING:
    from quicgw_fast._proto.client_pb2 import ClientRequest
    from quicgw_fast.flow.parts import Parts
    from quicgw_fast.store import Stored

LOGIN_ACTION = "hello"
_RETRY_AFTER_MS = 1000
_INT64 = range(-(1 << 63), 1 << 63)

_log = logging.getLogger("quicgw.requests")


class Requests:
    """Takes every BUSINESS message and sees to it that it gets exactly one terminal reply (contract §3)."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._logins: set[asyncio.Task[None]] = set()
        self._stopped = False

    # Up

    def accept(self, session: Session, request: ClientRequest) -> None:
        """Accept the message if its number is the expected one; RequestError 400 names the right one otherwise."""
        try:
            expected = session.outbox.accept(request.seq_id)
        except NumbersUsedUp as error:
            raise RequestError(400, "numbers used up", "seq_id is at its end; START a fresh session") from error
        if expected:
            raise RequestError(400, "wrong seq_id", f"expected {expected}, got {request.seq_id}")
        self._parts.counters.add("requests")
        now = self._parts.clock()
        try:
            self._check_admission(session, now)
        except RequestError as error:
            self._answer(session, request, error)
            return
        if session.logging_in:
            session.waiting.append((request, now))
        else:
            self._dispatch(session, request, now)

    def _check_admission(self, session: Session, now: float) -> None:
        if self._parts.draining:
            raise RequestError(503, "overloaded", "the gateway is stopping", retry_after_ms=_RETRY_AFTER_MS)
        try:
            self._check_limits(session, now)
        except RequestError:
            self._parts.counters.add("rate_limited")
            raise

    def _check_limits(self, session: Session, now: float) -> None:
        limits = self._parts.config.limits
        if session.allowance is None:
            session.allowance = TokenBucket(limits.messages_per_second, limits.message_burst)
        wait = session.allowance.take(now)
        if wait > 0:
            rate = f"over {limits.messages_per_second:g} messages a second"
            raise RequestError(429, "too many messages", rate, retry_after_ms=int(wait * 1000) + 1)
        if session.outbox.in_flight > limits.in_flight:
            open_now = f"{limits.in_flight} requests wait for their reply"
            raise RequestError(429, "too many requests in flight", open_now, retry_after_ms=_RETRY_AFTER_MS)

    def _dispatch(self, session: Session, request: ClientRequest, accepted: float) -> None:
        """Route an accepted message: to the login, or into the queue."""
        try:
            if self._stopped:
                raise RequestError(503, "overloaded", "the gateway is stopping", retry_after_ms=_RETRY_AFTER_MS)
            task = self._prepare(session, request, accepted)
            if task.is_login:
                self._start_login(session, task)
            elif not self._parts.processor.submit(task):
                self._parts.counters.add("queue_full")
                raise RequestError(503, "overloaded", "the task queue is full", retry_after_ms=_RETRY_AFTER_MS)
        except RequestError as error:
            self._answer(session, request, error)

    def _prepare(self, session: Session, request: ClientRequest, accepted: float) -> AsyncTask:
        business = parse_payload(BusinessRequest, request.payload)
        if not business.action:
            raise RequestError(400, "missing field", "action is empty")
        is_login = business.action.lower() == LOGIN_ACTION
        if not is_login and session.state is not State.NORMAL:
            raise RequestError(401, "not logged in", f"send {LOGIN_ACTION} first")
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
        return AsyncTask(session, request.msg_id, service, upstream, accepted + self._timeout(request), is_login)

    def _timeout(self, request: ClientRequest) -> float:
        """Seconds that the request may take: the configured ones, or fewer if its client asks so."""
        longest = self._parts.config.processor.task_timeout
        asked = request.headers.get("timeout-ms")
        if asked is None:
            return longest
        if not (asked.isascii() and asked.isdigit() and 0 < len(asked) < 16 and int(asked) > 0):
            raise RequestError(400, "bad header", f"timeout-ms is {asked[:32]!r}; write whole milliseconds above 0")
        return min(longest, int(asked) / 1000)

    # Login: synchronous for its own client, no burden for others (contract §2)

    def _start_login(self, session: Session, task: AsyncTask) -> None:
        session.logging_in = True
        login = asyncio.create_task(self._login(session, task), name=f"login-{task.task_id}")
        self._logins.add(login)
        login.add_done_callback(self._logins.discard)

    async def _login(self, session: Session, task: AsyncTask) -> None:
        try:
            outcome = await execute(task, self._parts.call, self._parts.clock)
            left = task.deadline - self._parts.clock()
            stored = await self._parts.offline.fetch(session, left) if _logs_in(outcome) else []
        except asyncio.CancelledError:
            stopping = RequestError(503, "gateway stopping", retry_after_ms=_RETRY_AFTER_MS)
            self._finish_login(session, task, Outcome.of_error(stopping), [])  # what waits behind it gets replies too
            raise
        except Exception:
            _log.exception("login failed", extra={"session": session.id})
            outcome, stored = Outcome.of_error(RequestError(500, "internal error")), []
        self._finish_login(session, task, outcome, stored)

    def _finish_login(self, session: Session, task: AsyncTask, outcome: Outcome, stored: list[Stored] | None) -> None:
        """Reply, let out what waited for the login, then go on with what the client sent behind it: one step."""
        session.logging_in = False
        sent = self.reply(task, outcome)
        if sent and _logs_in(outcome):
            self._logged_in(session, outcome, stored)
        while session.waiting and not session.logging_in:
            request, accepted = session.waiting.popleft()
            self._dispatch(session, request, accepted)

    def _logged_in(self, session: Session, outcome: Outcome, stored: list[Stored] | None) -> None:
        session.apply(Event.LOGGED_IN)
        self._parts.counters.add("logins")
        zone, gid = outcome.headers.get("zone"), outcome.headers.get("gid")
        if zone is not None:
            session.zone = _int64(zone, session)
        if gid:
            self._parts.registry.set_gid(session, gid)
        # What was stored is older than what was cached since START, which it lets out behind it.
        self._parts.offline.deliver(session, stored)

    async def stop(self, timeout: float) -> None:  # noqa: ASYNC109
        """Wait at most ``timeout`` seconds for logins and what waits behind them, then answer the rest 503."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while self._logins and (remaining := deadline - loop.time()) > 0:
            await asyncio.wait(self._logins, timeout=remaining)
        self._stopped = True
        logins = list(self._logins)
        for login in logins:
            login.cancel()
        await asyncio.gather(*logins, return_exceptions=True)

    # Down

    def is_valid(self, task: AsyncTask) -> bool:
        """Whether the task's session can still get a reply; the worker skips the task otherwise."""
        window = self._parts.config.session.resume_window
        return bool(task.session.serviceable(self._parts.clock(), window))

    def reply(self, task: AsyncTask, outcome: Outcome) -> bool:
        """Send the one terminal reply of a task; True when it is the given one and was sent."""
        return self._send(task.session, task.seq_id, task.msg_id, outcome)

    def _answer(self, session: Session, request: ClientRequest, error: RequestError) -> None:
        self._send(session, request.seq_id, request.msg_id, Outcome.of_error(error))

    def _send(self, session: Session, seq_id: int, msg_id: int, outcome: Outcome) -> bool:
        counters = self._parts.counters
        if session.state is State.CLOSED:
            counters.add("replies_dropped")
            return False
        try:
            sent = self._commit(session, seq_id, msg_id, outcome)
        except FrameTooLarge as error:
            too_large = RequestError(500, "upstream answer too large", str(error))
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


def _logs_in(outcome: Outcome) -> bool:
    return outcome.push_type is PushType.BUSINESS_DATA and outcome.code == 200


def _int64(text: str, session: Session) -> int:
    try:
        value = int(text)
    except ValueError:
        value = _INT64.stop
    if value in _INT64:
        return value
    _log.warning("the upstream's zone is no int64", extra={"session": session.id, "zone": text})
    return 0
