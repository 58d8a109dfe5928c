"""The hello that follows each new session."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from quicgw_fast.client.backoff import Backoff
from quicgw_fast.client.calls import draft
from quicgw_fast.client.errors import CallTimeout, QuicgwClientError, ReplyError, reply_error
from quicgw_fast.codes import ErrorCode, may_pass

if TYPE_CHECKING:
    from quicgw_fast.client.calls import Calls, ClientCall
    from quicgw_fast.client.link import ClientLink
    from quicgw_fast.client.messages import Reply
    from quicgw_fast.client.options import ClientOptions
    from quicgw_fast.client.outgoing import Outgoing
    from quicgw_fast.client.session import ClientSession

HELLO = "hello"
SHORTEST = 0.001
"""Seconds that a hello has at least."""


class LoginOwner(Protocol):
    """Who is logged in."""

    @property
    def leaving(self) -> bool:
        """The client ends: nothing new begins."""

    def time_to_connect(self) -> float | None:
        """Seconds left for the first connection, login included; None once calls could be made."""

    def become_ready(self, *, announce: bool) -> None:
        """Calls may be sent now; ``announce`` tells the application so."""

    def login_failed(self, error: QuicgwClientError) -> None:
        """There is no use in trying again."""


class LoginStep:
    """Says hello when the session is not logged in, tries again after passing errors, opens the way for calls.

    ``reply`` is the answer to the last hello that succeeded, ``refusal`` the last one since then that did not.
    """

    def __init__(
        self,
        owner: LoginOwner,
        options: ClientOptions,
        session: ClientSession[ClientCall],
        calls: Calls,
        outgoing: Outgoing,
    ) -> None:
        self._owner = owner
        self._options = options
        self._session = session
        self._calls = calls
        self._outgoing = outgoing
        self._loop = asyncio.get_running_loop()
        self._link: ClientLink | None = None
        """The connection on which START was accepted, None while there is none."""
        self._call: ClientCall | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._backoff = Backoff(options.reconnect)
        self.reply: Reply | None = None
        self.refusal: ReplyError | None = None

    def begin(self, link: ClientLink, *, fresh: bool) -> None:
        """START was accepted, in a ``fresh`` session or the old one: log in if that is needed."""
        self._cancel_retry()
        self._link = link
        if self._session.logged_in or not self._options.login.enabled:
            self._owner.become_ready(announce=fresh)
        elif self._call is None or self._call.future.done():
            self._hello(link)

    def disconnected(self) -> None:
        """The connection went away; begin() decides anew."""
        self._link = None
        self._cancel_retry()

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _hello(self, link: ClientLink) -> None:
        self._retry = None
        left = self._owner.time_to_connect()
        limit = self._options.connect_timeout if left is None else max(left, SHORTEST)
        login = self._options.login
        hello = draft(HELLO, login.params, login.data, login.headers, limit)
        call = self._call = self._calls.make(hello, repeats=False)
        call.future.add_done_callback(self._answered)
        self._outgoing.send_ahead(link, call)

    def _answered(self, future: asyncio.Future[Reply]) -> None:
        if self._call is None or future is not self._call.future:
            return None  # of a session before this one
        error = future.exception()
        if error is None and future.result().ok:
            return self._succeeded(future.result())
        if error is None:
            reply = future.result()
            error = reply_error(reply.code, reply.message, "", reply.headers)
        if isinstance(error, QuicgwClientError):
            self._failed(error)
        return None

    def _succeeded(self, reply: Reply) -> None:
        self.reply, self.refusal = reply, None
        self._backoff.reset()
        self._session.logged_in = True
        if self._link is not None:
            self._owner.become_ready(announce=True)

    def _failed(self, error: QuicgwClientError) -> None:
        if self._owner.leaving:
            return
        if isinstance(error, ReplyError):
            self.refusal = error  # it stays the cause when the last try has no time left for an answer
        left = self._owner.time_to_connect()
        if not _is_passing(error, first=left is not None):
            self._owner.login_failed(error)
            return
        wish = error.retry_after if isinstance(error, ReplyError) else None
        delay = self._backoff.next_delay(wish or 0.0)
        if left is not None and delay >= left:
            self._owner.login_failed(error)
            return
        if self._link is not None:  # else begin() says it again
            self._retry = self._loop.call_later(delay, self._hello, self._link)


def _is_passing(error: QuicgwClientError, *, first: bool) -> bool:
    """Whether another hello may succeed.

    The ``first`` one is said again only where the gateway had no room or no time for it, or stopped: whoever connects
    wants to hear at once that the service behind hello fails. A 500 that says when to come back is of a stop.
    """
    if isinstance(error, ReplyError):
        return may_pass(error.code) and not (first and error.code == ErrorCode.FAILED and error.retry_after is None)
    return isinstance(error, CallTimeout) and not first
