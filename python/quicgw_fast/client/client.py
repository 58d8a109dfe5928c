"""The client: connect, call, receive, and leave."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Self

from quicgw_fast.client import checks
from quicgw_fast.client.calls import draft
from quicgw_fast.client.errors import Draining, QuicgwClientError, no_notify
from quicgw_fast.client.home import SameLoop
from quicgw_fast.client.known import Known
from quicgw_fast.client.messages import StopReason
from quicgw_fast.client.runner import Runner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Mapping
    from types import TracebackType

    from quicgw_fast.client.calls import Draft
    from quicgw_fast.client.checks import Octets
    from quicgw_fast.client.home import Home
    from quicgw_fast.client.messages import Notify, Reply, Ticket
    from quicgw_fast.client.options import ClientOptions


class Client(Known):
    """One session with a gateway, kept over any number of connections.

    Made by `connect`. Use it in one event loop, which may be held up: the connection lives in a thread of its own,
    unless ``thread=False`` was said. Code that keeps the interpreter's lock, as an extension may, still holds it up.
    After a fork the child connects anew: there, a client of its parent raises RuntimeError.

    Calls and notifies survive a lost connection: the client comes back, resumes, sends again what did not arrive, and
    drops what it already has. When the gateway cannot resume, calls in flight raise SessionReset and ``on_state`` says
    what was lost.
    """

    def __init__(self, options: ClientOptions) -> None:
        self.options = options
        self._draining = False

    def _home(self) -> Home:
        return SameLoop()

    # Connecting and leaving

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __await__(self) -> Generator[object, None, Self]:
        """``client = await connect(…)``; then close() is yours to call."""
        return self.start().__await__()

    async def start(self) -> Self:
        """Connect, START and log in; once per client.

        A gateway that has no room for START or hello now and says when to come back (header ``retry-after-ms``), or
        that had no time for hello (504), is asked again within ``connect_timeout``. Cancelled, it leaves a closed
        client. Raises ConnectionFailed, ConnectionClosed, or the last ReplyError with which START or hello was refused.
        """
        if self._runner is not None:
            raise RuntimeError("the client was started before; make a new one")
        runner = self._runner = Runner(self.options, self._home())
        runner.start()
        try:
            await asyncio.wait([runner.first_ready], timeout=runner.time_to_connect())
            if not runner.first_ready.done():
                raise runner.too_late()
            await runner.first_ready
        except BaseException:
            await runner.shut_down(StopReason.APP_CLOSE)
            raise
        return self

    async def close(self, reason: StopReason = StopReason.APP_CLOSE) -> None:
        """Acknowledge, end the session with STOP, close the connection, within ``close_timeout``; idempotent.

        Raises nothing. Calls in flight raise ConnectionClosed. Notifies that were received can still be read.
        Cancelled, it still leaves a closed client; only that the gateway has confirmed it is then unknown.
        """
        if self._runner is not None:
            await self._runner.shut_down(reason)

    async def detach(self) -> Ticket:
        """Close the connection but leave the session: the ticket lets another client resume it in time.

        What waits in the receive queue counts as yours. Calls in flight raise ConnectionClosed here; their
        replies go to whoever resumes. Cancelled, it leaves a closed client whose ``ticket`` is still good. Raises
        QuicgwClientError when there never was a session.
        """
        runner = self._live()
        try:
            await runner.shut_down(None)
        finally:
            runner.inbox.queue.discard_kept_back()
        ticket = runner.session.ticket()
        if ticket is None:
            raise QuicgwClientError("there is no session to leave behind")
        return ticket

    async def drain(self, timeout: float | None = None) -> bool:
        """Take no new calls, wait for those in flight, acknowledge everything; the client stays connected.

        False when calls were still open after ``timeout`` seconds (None: wait as long as they do). Cancelled, it
        leaves the client draining: wait again, or close it. Raises RuntimeError before the client was started.
        """
        runner = self._live()
        if timeout is not None:
            checks.seconds("timeout", timeout, zero=True, forever=True)
        self._draining = True
        late: set[asyncio.Future[Reply]] = set()
        try:
            if futures := runner.calls.open_futures():
                _, late = await asyncio.wait(futures, timeout=None if timeout == math.inf else timeout)
        finally:
            runner.inbox.acknowledge_now()
        return not late

    # Calls

    async def call(
        self,
        action: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Octets = b"",
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """Send a request and wait for its one reply.

        timeout: seconds, None for the client's default; the gateway gets what is left of it as header
        ``timeout-ms``. Without a connection the call waits for one; beyond the gateway's limits (a rate, and a
        number in flight, which it names at START) it waits for its turn. A request that the gateway refused unread
        for its rate (429) is sent again, in that order, when ``retry-after-ms`` ends within the timeout; nothing
        else is ever sent twice. data: bytes, a bytearray or a memoryview, which is copied.

        Raises ReplyError (the class of its code) when the gateway answers with an error, CallTimeout without an answer
        in time, SessionReset when the session was lost while the call was in flight, ConnectionClosed when the client
        has ended, and Draining after drain(). A service's own code other than 200 is not raised: see Reply.code.
        """
        return await self.submit(action, params=params, data=data, headers=headers, timeout=timeout)

    def submit(
        self,
        action: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Octets = b"",
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> asyncio.Future[Reply]:
        """Send a request now and return the future of its reply: many calls in flight without a task each.

        Requests are numbered in the order of submit(). Parameters as in call(). Raises Draining, ConnectionClosed, and
        TypeError or ValueError for what cannot be sent; the errors of the reply come out of the future. Cancelling the
        future gives the reply up, not the request.
        """
        return self._send(self._draft(action, params, data, headers, timeout))

    def _draft(
        self,
        action: str,
        params: Mapping[str, str] | None,
        data: Octets,
        headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> Draft:
        self._check_open()
        return draft(action, params, data, headers, self.options.timeout if timeout is None else timeout)

    def _check_open(self) -> Runner:
        runner = self._live()
        if self._draining:
            raise Draining
        if runner.over:
            raise runner.closing_error()
        return runner

    def _send(self, draft: Draft) -> asyncio.Future[Reply]:
        runner = self._check_open()
        call = runner.calls.make(draft)
        runner.outgoing.submit(call)
        return call.future

    # Notifies

    async def notifies(self) -> AsyncIterator[Notify]:
        """Iterate over the notifies, each once and in order, until the client is closed.

        A lost connection does not end it, nor does a session that could not be resumed: the first notify of the new one
        has ``after_reset``. It ends after close() or detach(), when all that came is read. Raises the error with which
        the client ended for another reason (ConnectionClosed, or one with the cause) after the last notify, and
        RuntimeError before the client was started.
        """
        while (notify := await self._live().inbox.queue.get()) is not None:
            yield notify
        self._raise_failure()

    async def next_notify(self, timeout: float | None = None) -> Notify:
        """Wait for the next notify.

        Raises TimeoutError after ``timeout`` seconds (None: never), ConnectionClosed when the client has ended and all
        are read, and RuntimeError before the client was started.
        """
        runner = self._live()
        if timeout is not None:
            checks.seconds("timeout", timeout, zero=True, forever=True)
        try:
            async with asyncio.timeout(None if timeout == math.inf else timeout):
                notify = await runner.inbox.queue.get()
        except TimeoutError:
            raise no_notify(timeout) from None
        if notify is None:
            self._raise_failure()
            raise runner.closing_error()
        return notify

    # Tokens

    async def refresh_token(
        self,
        token: str | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Give the gateway a fresh token without reconnecting; None takes one from the token source.

        Raises Unauthorized when the gateway refuses it, CallTimeout without an answer in time, ConnectionClosed when
        the client has ended, and whatever the token source raises.
        """
        runner = self._live()
        if runner.over:
            raise runner.closing_error()
        if token is not None:
            checks.text("token", token, empty=True)
        limit = checks.seconds("timeout", self.options.timeout if timeout is None else timeout, forever=True)
        await runner.refresher.refresh(token, limit)
