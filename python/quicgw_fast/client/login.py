"""The hello that follows each new session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.client.backoff import Backoff
from quicgw_fast.client.errors import CallTimeout, QuicgwClientError, ReplyError, reply_error
from quicgw_fast.codes import ErrorCode, may_pass

if TYPE_CHECKING:
    import asyncio

    from quicgw_fast.client.calls import ClientCall
    from quicgw_fast.client.messages import Reply
    from quicgw_fast.client.runner import Runner

HELLO = "hello"
SHORTEST = 0.001
"""Seconds that a hello has at least."""


class LoginStep:
    """Says hello when the session is not logged in, tries again after passing errors, opens the way for calls.

    ``reply`` is the answer to the last hello that succeeded, ``refusal`` the one that did not since then.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._call: ClientCall | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._backoff = Backoff(runner.options.reconnect)
        self.reply: Reply | None = None
        self.refusal: ReplyError | None = None

    def begin(self, *, fresh: bool) -> None:
        """START was accepted, in a ``fresh`` session or the old one: log in if that is needed."""
        self.cancel_retry()
        if self._runner.session.logged_in or not self._runner.options.login.enabled:
            self._runner.become_ready(announce=fresh)
        elif self._call is None or self._call.future.done():
            self._hello()

    def cancel_retry(self) -> None:
        """The connection went away; begin() decides anew."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _hello(self) -> None:
        runner = self._runner
        self._retry = None
        if runner.link is None:
            return
        login = runner.options.login
        limit = runner.options.connect_timeout
        if not runner.first_ready.done():
            limit = max(runner.connect_by - runner.loop.time(), SHORTEST)
        call = runner.calls.make(HELLO, login.params, login.data, login.headers, limit, repeats=False)
        self._call = call
        call.future.add_done_callback(self._answered)
        runner.outgoing.send_ahead(runner.link, call)

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
        self._runner.session.logged_in = True
        if self._runner.link is not None:
            self._runner.become_ready(announce=True)

    def _failed(self, error: QuicgwClientError) -> None:
        runner = self._runner
        if runner.leaving:
            return
        self.refusal = error if isinstance(error, ReplyError) else None
        first = not runner.first_ready.done()
        if not _is_passing(error, first=first):
            runner.finish(runner.too_late() if isinstance(error, CallTimeout) else error, stop=True)
            return
        wish = error.retry_after if isinstance(error, ReplyError) else None
        delay = self._backoff.next_delay(wish or 0.0)
        if first and runner.loop.time() + delay >= runner.connect_by:
            runner.finish(error, stop=True)
            return
        self._retry = runner.loop.call_later(delay, self._hello)


def _is_passing(error: QuicgwClientError, *, first: bool) -> bool:
    """Whether another hello may succeed.

    The ``first`` one is said again only where the gateway had no room or no time for it: whoever connects wants to
    hear at once that the service behind hello fails.
    """
    if isinstance(error, ReplyError):
        return may_pass(error.code) and not (first and error.code == ErrorCode.FAILED)
    return isinstance(error, CallTimeout) and not first
