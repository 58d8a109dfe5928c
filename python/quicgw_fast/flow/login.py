"""hello: synchronous for its own client, no burden for others (protocol §2)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from quicgw_fast import completions
from quicgw_fast.codes import OK
from quicgw_fast.errors import BusyError, RequestError
from quicgw_fast.ports import TerminalReply
from quicgw_fast.processor import AsyncRequestProcessor, Deadlines, execute, too_late
from quicgw_fast.session import Event, Login, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.flow.lifecycle import Lifecycle
    from quicgw_fast.flow.replies import Replies
    from quicgw_fast.flow.stored_messages import StoredMessages
    from quicgw_fast.observe import Metrics
    from quicgw_fast.ports import Call
    from quicgw_fast.processor import AsyncTask
    from quicgw_fast.proto.service_pb2 import UpstreamResponse
    from quicgw_fast.session import Registry
    from quicgw_fast.store import Stored

BUSY_PAUSE = 0.02
"""Seconds after which a login asks a service again that had no room for the call."""

_log = logging.getLogger("quicgw.requests")


class LoginAnswer(NamedTuple):
    """What a service answered to a hello, and what is sent behind that."""

    answer: UpstreamResponse
    stored: list[Stored] | None
    """What waited for the openid in the offline store; None when that could not be read."""


class PoolMaker(Protocol):
    """Makes a processor but for what it does with a task."""

    def __call__(
        self,
        *,
        work: Callable[[AsyncTask[Session], Done[LoginAnswer]], Cancellable],
        reply: Callable[[AsyncTask[Session], LoginAnswer | RequestError], object],
    ) -> AsyncRequestProcessor[Session, LoginAnswer]:
        """``work`` and ``reply`` as for the processor."""


class Logins:
    """Hellos, at most so many calls at once, in a queue of their own; behind each, what its client sent after it.

    One session has one hello under way; the tasks behind it wait here for its answer, and each of them is answered
    504 at its own deadline like any other that waits.
    """

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        registry: Registry,
        stored: StoredMessages,
        lifecycle: Lifecycle,
        make_pool: PoolMaker,
        call: Call,
        replies: Replies,
        go_on: Callable[[AsyncTask[Session]], None],
    ) -> None:
        """``make_pool`` makes the processor of the hellos; ``go_on`` takes what waited behind one that is answered."""
        self._clock = clock
        self._count_logins = metrics.counter("logins", "Hellos that were answered 200")
        self._registry = registry
        self._stored = stored
        self._lifecycle = lifecycle
        self._call_service = call
        self._replies = replies
        self._go_on = go_on
        self.pool = make_pool(work=self._begin, reply=self._finish)
        self._behind: Deadlines[Session] = Deadlines(clock, self._late)
        metrics.gauge("logins_waiting_behind", "Requests that wait behind hellos", lambda: len(self._behind))
        self._count_late_behind = metrics.counter("logins_late_behind", "Requests that were answered 504 there")
        self._waiting: dict[Session, deque[AsyncTask[Session]]] = {}
        """What each client sent behind its hello, while there is any."""

    def submit(self, task: AsyncTask[Session]) -> bool:
        """Begin a login; False when there is no room for it."""
        if not self.pool.submit(task):
            return False
        task.session.apply(Event.LOGIN_BEGUN, self._clock.now())
        return True

    def wait_behind(self, task: AsyncTask[Session]) -> None:
        """Have a task wait for the result of its session's hello."""
        self._waiting.setdefault(task.session, deque()).append(task)
        self._behind.add(task)

    def cancel(self, session: Session) -> None:
        """The session ended: its hello is called off, and nothing behind it is owed anything."""
        waiting = self._waiting.pop(session, deque())
        while waiting:
            self._behind.discard(waiting.pop())
        self.pool.cancel(session)

    async def stop(self) -> None:
        """Answer whatever is left as the processor does; what waits behind a hello goes on first."""
        await self.pool.stop(0.0)
        self._behind.close()

    # A hello

    def _begin(self, task: AsyncTask[Session], done: Done[LoginAnswer]) -> Cancellable:
        return completions.begin(self._log_in(task), done, f"login-{task.task_id}")

    async def _log_in(self, task: AsyncTask[Session]) -> LoginAnswer:
        answer = await self._call(task)
        if answer.code != OK:
            return LoginAnswer(answer, None)
        return LoginAnswer(answer, await self._stored.fetch(task.session, task.deadline - self._clock.now()))

    async def _call(self, task: AsyncTask[Session]) -> UpstreamResponse:
        """Call the service; one that is busy with other calls is asked again until the time is over."""
        while True:
            try:
                return await completions.result(partial(execute, task, call=self._call_service, clock=self._clock))
            except BusyError as error:
                if not error.code.retryable or task.deadline - self._clock.now() <= BUSY_PAUSE:
                    raise
            await asyncio.sleep(BUSY_PAUSE)

    def _finish(self, task: AsyncTask[Session], outcome: LoginAnswer | RequestError) -> None:
        """Reply, let out what waited for the login, then go on with what the client sent behind it: one step."""
        session = task.session
        try:
            if isinstance(outcome, RequestError):
                self._replies.answer(task, outcome)
            elif self._replies.answer(task, outcome.answer) and outcome.answer.code == OK:
                self._logged_in(session, outcome)
        finally:
            if session.login is Login.UNDER_WAY:  # neither logged in, nor ended or given up with this very reply
                session.apply(Event.LOGIN_REFUSED, self._clock.now())
            self._go_on_behind(session)

    def _go_on_behind(self, session: Session) -> None:
        """Go on with what waits behind a hello that was answered, up to the next hello of the same client."""
        waiting = self._waiting.get(session)
        while waiting and session.login is Login.IDLE:
            task = waiting.popleft()
            self._behind.discard(task)
            self._go_on(task)
        if not waiting:
            self._waiting.pop(session, None)

    def _logged_in(self, session: Session, outcome: LoginAnswer) -> None:
        session.apply(Event.LOGGED_IN, self._clock.now())
        self._count_logins.value += 1
        session.zone = outcome.answer.headers.get("zone") or session.zone
        gid = outcome.answer.headers.get("gid")
        if gid:
            self._registry.set_gid(session, gid)
        self._lifecycle.logged_in(session)
        # What was stored is older than what was cached since START, which it lets out behind it.
        self._stored.deliver(session, outcome.stored)

    def _late(self, task: AsyncTask[Session]) -> None:
        """Answer a task whose deadline passed while it waited behind a hello."""
        self._waiting[task.session].remove(task)
        self._count_late_behind.value += 1
        self._replies.to_task(task, TerminalReply.of_error(too_late(task)))
