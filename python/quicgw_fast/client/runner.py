"""Keeps one client connected: attempts, START and login, calls up, messages down, and the end."""

from __future__ import annotations

import asyncio
import copy
import logging
from typing import TYPE_CHECKING, Any

from quicgw_fast.client import wire
from quicgw_fast.client.backoff import Backoff
from quicgw_fast.client.calls import Call, Calls
from quicgw_fast.client.errors import (
    ConnectionClosed,
    ConnectionFailed,
    ProtocolFailure,
    QuicgwClientError,
    ReceiveQueueFull,
    SessionReset,
)
from quicgw_fast.client.inbox import Inbox
from quicgw_fast.client.link import Link, LinkEnd
from quicgw_fast.client.login import LoginStep
from quicgw_fast.client.messages import ClientStats, State, StateEvent, StopReason
from quicgw_fast.client.refresh import Refresher
from quicgw_fast.client.session import Session, Start
from quicgw_fast.client.tokens import Tokens
from quicgw_fast.client.verdict import judge
from quicgw_fast.types import CloseCode

if TYPE_CHECKING:
    from quicgw_fast._proto.client_pb2 import ServerPush
    from quicgw_fast.client.options import ClientOptions
    from quicgw_fast.client.session import Outcome
    from quicgw_fast.client.wire import StartAnswer

log = logging.getLogger("quicgw_fast.client")

OWN_CLOSE = "NORMAL: closed by this client"


class Runner:
    """The moving part of a client; `Client` is the face of it. Everything happens in one event loop.

    ``link`` is the connection on which START was accepted, None while there is none. ``ready`` says that calls
    may be sent on it: started and, if wanted, logged in.
    """

    def __init__(self, options: ClientOptions) -> None:
        self.options = options
        self.loop = asyncio.get_running_loop()
        self.stats = ClientStats()
        self.session: Session[Call] = Session(options.resume, ack_every=options.ack_every, ack_delay=options.ack_delay)
        self.calls = Calls(self.session, self.stats, self.loop)
        self.inbox = Inbox(options, self.session, self.calls, self.stats)
        self.tokens = Tokens(options.token)
        self.refresher = Refresher(self)
        self.login = LoginStep(self)
        self.link: Link | None = None
        self.ready = False
        self.resumed = False
        """The last START continued the session."""
        self.stopping = False
        self.over = False
        self.failure: QuicgwClientError | None = None
        """Why the client ended, None while it lives and after an own close."""
        self.first_ready: asyncio.Future[None] = self.loop.create_future()
        self._task: asyncio.Task[None] | None = None
        self._farewells: set[asyncio.Task[None]] = set()
        self._backoff = Backoff(options.reconnect)
        self._ever_started = False
        self._seen_at_start = 0

    # The life of the client -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; ``first_ready`` tells when calls can be made, or why not."""
        self._task = self.loop.create_task(self._run(), name=f"quicgw client {self.options.openid}")

    async def _run(self) -> None:
        try:
            self.emit(State.CONNECTING)
            delay: float | None = 0.0
            while delay is not None:
                await asyncio.sleep(delay)
                end = await self._attempt()
                if self.stopping or self.over:
                    return
                delay = self._next_delay(end)
        except Exception as error:
            log.exception("the client failed")
            self.failure = ConnectionFailed(f"the client failed: {error!r}")
        self.finish(self.failure)

    async def _attempt(self) -> LinkEnd:
        """Make one connection and live on it to its end."""
        try:
            token = await self.tokens.fresh()
        except Exception as error:  # the token source is the application's: it may raise anything
            failed = ConnectionFailed(f"the token source failed: {error!r}")
            failed.__cause__ = error
            return LinkEnd(error=failed)
        link = Link(self, self.options)
        rule = self.options.reconnect
        timeout = rule.attempt_timeout if self._ever_started else self.options.connect_timeout
        try:
            return await link.run(token, self.session.claim(), timeout)
        finally:
            self._detached(link)

    def _detached(self, link: Link) -> None:
        """The connection is no more; forget what depended on it."""
        if link.is_started:
            lasted = self.loop.time() - link.started_at >= self.options.reconnect.stable_after
            if lasted or self.session.seen > self._seen_at_start:
                self._backoff.reset()
        self.link = None
        self.ready = False
        self.inbox.detach()
        self.refresher.disconnected()
        self.login.cancel_retry()
        farewell = self.loop.create_task(link.wait_gone())
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)

    def _next_delay(self, end: LinkEnd) -> float | None:
        """Seconds until the next attempt; None is the end, and ``failure`` says why."""
        verdict = judge(end, renewable_token=self.tokens.renewable)
        if isinstance(end.error, ProtocolFailure):
            self.stats.protocol_failures += 1
        allowed = self.options.reconnect.enabled and self._ever_started and not self._backoff.exhausted
        if not (verdict.retry and allowed):
            self.failure = verdict.error
            return None
        delay = self._backoff.next_delay(verdict.at_least)
        self.emit(State.RECONNECTING, attempt=self._backoff.attempts, delay=delay, error=verdict.error)
        return delay

    def finish(self, error: QuicgwClientError | None, *, stop: bool = False) -> None:
        """End the client for good: everybody who waits gets an answer. ``error`` None is an own close.

        With ``stop`` the gateway's session ends too; otherwise it stays to be resumed.
        """
        if self.over:
            return
        self.over = True
        self.failure = error
        self.calls.close(self.closing_error)
        self.inbox.queue.close()
        self.refresher.close(self.closing_error)
        self.login.cancel_retry()
        if self.link is not None:
            self.inbox.acknowledge_now()
            if stop:
                self.link.send(wire.stop_frame(self.link.next_msg_id(), StopReason.UNKNOWN))
            self.link.drop("the client ended")
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        if not self.first_ready.done():
            self.first_ready.set_exception(error or self.closing_error())
            self.first_ready.exception()  # counts as seen: the application may no longer be waiting
        self.emit(State.CLOSED, error=error)

    def closing_error(self) -> QuicgwClientError:
        """Make the error of one call that can get no reply any more."""
        cause = self.failure
        if cause is None:
            return ConnectionClosed(CloseCode.NORMAL, OWN_CLOSE)
        if isinstance(cause, ConnectionClosed):
            return copy.copy(cause)
        closed = ConnectionClosed(CloseCode.NORMAL, str(cause))
        closed.__cause__ = cause
        return closed

    async def shut_down(self, stop: StopReason | None) -> None:
        """End by the application's wish: with STOP and its reason, or (None) leaving the session behind."""
        self.stopping = True
        link = self.link
        if link is not None:
            self.inbox.acknowledge_now()
            if stop is not None:
                link.send(wire.stop_frame(link.next_msg_id(), stop))
                await link.wait_ended(self.options.close_timeout)
            link.drop("closed by the client")
        self.finish(None)
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._farewells:
            _, late = await asyncio.wait(self._farewells, timeout=self.options.close_timeout)
            for farewell in late:
                farewell.cancel()

    # START ------------------------------------------------------------------------------------------------

    def started(self, link: Link, answer: StartAnswer) -> None:
        """START was accepted: continue or begin anew, before the messages behind it are looked at."""
        try:
            outcome = self.session.started(answer)
        except ProtocolFailure:
            self.session.forget()
            raise
        self.link = link
        self.resumed = outcome.start is Start.RESUMED
        self._ever_started = True
        self._seen_at_start = self.session.seen
        self.stats.connects += 1
        self.inbox.attach(link)
        if outcome.start is Start.RESUMED:
            self._resume(link, outcome)
        elif outcome.start is Start.RESET:
            self._reset(outcome, answer)
        self.refresher.plan(answer.token_expires_in)
        self.refresher.connected()
        self.login.begin(fresh=not self.resumed)

    def _resume(self, link: Link, outcome: Outcome[Call]) -> None:
        if outcome.resend:
            link.send(self.calls.encode_again(outcome.resend))
        self.stats.resumes += 1
        self.stats.resent += len(outcome.resend)
        self.emit(State.RESUMED, resent=len(outcome.resend))

    def _reset(self, outcome: Outcome[Call], answer: StartAnswer) -> None:
        self.stats.resets += 1
        lost = self.calls.fail(outcome.lost, lambda: SessionReset(outcome.reason, answer.gap))
        self.emit(State.RESET, reason=outcome.reason, gap=answer.gap, lost=lost)

    def become_ready(self, *, announce: bool) -> None:
        """Calls may be sent now; those that waited go first."""
        self.ready = True
        self._flush()
        if announce:
            self.emit(State.CONNECTED)
        if not self.first_ready.done():
            self.first_ready.set_result(None)

    # Up ---------------------------------------------------------------------------------------------------

    def submit(self, call: Call) -> None:
        """Send ``call`` now, or when the connection allows it, in the order of submission."""
        link = self.link
        if link is None or not self.ready or self.calls.waiting or link.room <= 0:
            self.calls.wait(call)
        else:
            self.send_call(link, call)

    def send_call(self, link: Link, call: Call) -> None:
        """Send ``call`` on ``link`` whatever waits before it."""
        frame = self.calls.encode_new(call)
        if frame:
            link.send(frame)

    def writable(self, link: Link) -> None:
        """The connection is no longer congested."""
        if link is self.link:
            self._flush()

    def _flush(self) -> None:
        if self.link is not None and self.ready and self.calls.waiting:
            self.link.send(self.calls.take(self.link.room))

    # Down -------------------------------------------------------------------------------------------------

    def pushed(self, link: Link, push: ServerPush, now: float) -> None:
        """A message came; when the application cannot take it under the policy ``fail``, that is the end."""
        try:
            self.inbox.take(link, push, now)
        except ReceiveQueueFull as error:
            self.finish(error)

    def paused(self) -> None:
        """A batch of messages is done: acknowledge, and look whether calls still wait for room."""
        self.inbox.acknowledge()
        if self.calls.waiting:
            self._flush()

    def heartbeat_sent(self) -> None:
        """Count it."""
        self.stats.heartbeats += 1

    def heartbeat_answered(self, headers: dict[str, str], rtt: float | None) -> None:
        """Note how long it took, and how long the token still lives."""
        if rtt is not None:
            self.stats.last_rtt = rtt
        if wire.EXPIRES_HEADER in headers:
            self.refresher.plan(wire.expires_in(headers))

    # Events -----------------------------------------------------------------------------------------------

    def emit(self, state: State, **details: Any) -> None:
        """Tell the application; what its callback raises goes to the loop's exception handler."""
        callback = self.options.on_state
        if callback is None:
            return
        session = self.session
        event = StateEvent(state=state, session_id=session.session_id, epoch=session.epoch, **details)
        try:
            callback(event)
        except Exception as error:  # the callback is the application's: it may raise anything
            self.loop.call_exception_handler({"message": f"on_state failed at {state}", "exception": error})
