"""Keeps one client connected: attempts, START and login, calls up, messages down, and the end."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from quicgw_fast.addresses import join_address
from quicgw_fast.client.calls import Calls, ClientCall
from quicgw_fast.client.ended_links import EndedLinks
from quicgw_fast.client.errors import (
    CallTimeout,
    ConnectionClosed,
    ConnectionFailed,
    ProtocolFailure,
    QuicgwClientError,
    ReceiveQueueFull,
    SessionReset,
    ended_by,
)
from quicgw_fast.client.events import State, StateEvents
from quicgw_fast.client.inbox import Inbox
from quicgw_fast.client.link import ClientLink, LinkEnd
from quicgw_fast.client.login import LoginStep
from quicgw_fast.client.messages import ClientStats, StopReason
from quicgw_fast.client.observer import Observation
from quicgw_fast.client.outgoing import Outgoing
from quicgw_fast.client.pacer import Pacer
from quicgw_fast.client.reconnecting import Reconnecting
from quicgw_fast.client.refresh import Refresher
from quicgw_fast.client.session import ClientSession, Start
from quicgw_fast.client.states import ClientAction, ClientEvent, ClientState, step
from quicgw_fast.client.tokens import ClientTokens
from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import told_accepted

if TYPE_CHECKING:
    from quicgw_fast.client.home import Home
    from quicgw_fast.client.options import ClientOptions
    from quicgw_fast.client.session import StartOutcome
    from quicgw_fast.client.wire import StartAnswer
    from quicgw_fast.proto.client_pb2 import ServerPush

_log = logging.getLogger("quicgw.client")


class Runner:
    """The moving part of a client; `Client` is the face of it. Everything happens in one event loop.

    ``state`` is where the client is in its life (``client.states``), ``home`` where the application is. ``link`` is the
    connection on which START was accepted, None while there is none.
    """

    def __init__(self, options: ClientOptions, home: Home) -> None:
        self.options = options
        self.loop = asyncio.get_running_loop()
        self.stats = ClientStats()
        self.session: ClientSession[ClientCall] = ClientSession(
            options.resume, ack_every=options.ack_every, ack_delay=options.ack_delay
        )
        self._events = StateEvents(options.on_state, self.session, home)
        self._pacer = Pacer()
        self.calls = Calls(self.session, self.stats, self._pacer, self.loop)
        self.outgoing = Outgoing(self.session, self.calls, self._pacer, self.loop)
        self.inbox = Inbox(options, self.session, self.calls, self.stats, self._unread)
        self._tokens = ClientTokens(options.token, home)
        self.refresher = Refresher(self._tokens, self.stats, options.connect_timeout)
        self.login = LoginStep(self, options, self.session, self.calls, self.outgoing)
        self.link: ClientLink | None = None
        self._connect_by = self.loop.time() + options.connect_timeout
        self.resumed = False
        """The last START continued the session."""
        self.state = ClientState.CONNECTING
        self.failure: QuicgwClientError | None = None
        """Why the client ended, None while it lives and after an own close."""
        self.first_ready: asyncio.Future[None] = self.loop.create_future()
        self.ended: asyncio.Future[None] = self.loop.create_future()
        """Done when the client has ended."""
        self._task: asyncio.Task[None] | None = None
        self._trying: ClientLink | None = None
        """The connection that is being made or used, None between two attempts."""
        self._token = ""
        """The one of the last START."""
        self._closing: asyncio.Task[None] | None = None
        self._ended_links = EndedLinks()
        self._reconnecting = Reconnecting(options.reconnect, (options.host, options.port))
        self._observation = None if options.observer is None else Observation(options.observer, home)
        self._seen_at_start = 0
        """Number of the last message before the last START: what is above it came over this connection."""

    # The life of the client

    def start(self) -> None:
        """Begin; ``first_ready`` tells when calls can be made, or why not."""
        self._task = self.loop.create_task(self._run(), name=f"quicgw client {self.options.openid}")

    @property
    def ready(self) -> bool:
        """Calls go out at once."""
        return self.state is ClientState.READY

    @property
    def over(self) -> bool:
        """The client has ended."""
        return self.state is ClientState.CLOSED

    @property
    def leaving(self) -> bool:
        """The client has ended, or the application closes it: nothing new begins."""
        return self.state in {ClientState.STOPPING, ClientState.CLOSED}

    @property
    def _where(self) -> str:
        return join_address(*self._reconnecting.address)

    def _step(self, event: ClientEvent) -> tuple[ClientAction, ...]:
        """Go on to the next state; returns what the caller has to do about it."""
        self.state, actions = step(self.state, event)
        if ClientAction.HOLD_CALLS in actions:
            self.outgoing.close()
        return actions

    async def _run(self) -> None:
        try:
            self._events.emit(State.CONNECTING)
            delay: float | None = 0.0
            while delay is not None:
                await asyncio.sleep(delay)
                end = await self._attempt()
                if self.leaving:
                    return
                delay = self._next_delay(end)
        except asyncio.CancelledError:
            # By finish(), which has done everything; or by somebody who ends all tasks of the loop.
            self.finish(ConnectionClosed(CloseCode.NORMAL, "NORMAL: the client's task was cancelled"))
            raise
        except Exception as error:
            _log.exception("client failed", extra={"openid": self.options.openid})
            self.failure = ConnectionFailed(f"the client failed: {error!r}")
        self.finish(self.failure)

    async def _attempt(self) -> LinkEnd:
        """Make one connection and live on it to its end."""
        try:
            token = await self._tokens.fresh()
        except Exception as error:  # the token source is the application's: it may raise anything
            failed = ConnectionFailed(f"the token source failed: {error!r}")
            failed.__cause__ = error
            return LinkEnd(error=failed)
        self._token = token
        link = self._trying = ClientLink(self, self._reconnecting.address, self.options, self.stats, self._observation)
        if self.state is ClientState.CONNECTING:
            timeout = max(self._connect_by - self.loop.time(), 0.0)
        else:
            timeout = self.options.reconnect.attempt_timeout
        try:
            return await link.run(token, self.session.claim(time.time_ns() // 1_000_000), timeout)
        finally:
            self._detached(link)

    def _detached(self, link: ClientLink) -> None:
        """The connection has ended: forget what depended on it."""
        if link.started_at is not None:
            lasted = self.loop.time() - link.started_at >= self.options.reconnect.stable_after
            if lasted or self.session.seen > self._seen_at_start:
                self._reconnecting.proved_good()
        self._step(ClientEvent.LOST)
        self.link = self._trying = None
        self.inbox.detach()
        self.refresher.disconnected()
        self.login.disconnected()
        self._ended_links.add(link)

    def _next_delay(self, end: LinkEnd) -> float | None:
        """Seconds until the next attempt; None is the end, and ``failure`` says why."""
        if isinstance(end.error, ProtocolFailure):
            self.stats.protocol_failures += 1
        if end.by_peer and end.code == CloseCode.SLOW_CONSUMER:
            self.inbox.found_slow()
        accepted = told_accepted(end.reason) if end.by_peer and end.code == CloseCode.DRAINING else None
        if accepted is not None:
            self.session.left_behind(accepted)
        time_left = self._connect_by - self.loop.time() if self.state is ClientState.CONNECTING else None
        delay, error = self._reconnecting.after(end, renewable_token=self._tokens.renewable, time_left=time_left)
        if delay is None:
            self.failure = error
        else:
            self._events.emit(State.RECONNECTING, attempt=self._reconnecting.attempts, delay=delay, error=error)
        return delay

    # The end

    def finish(self, error: QuicgwClientError | None, *, stop: bool = False) -> None:
        """End the client for good: everybody who waits gets an answer. ``error`` None is an own close.

        With ``stop`` the gateway's session ends too; otherwise it stays to be resumed.
        """
        if ClientAction.FAIL_WAITING not in self._step(ClientEvent.ENDED):
            return
        self.failure = error
        self.calls.close(self.closing_error)
        self.inbox.close()
        self.refresher.close(self.closing_error)
        self.login.disconnected()
        if self.link is not None:
            self.inbox.acknowledge_now()
            if stop:
                self.link.stop(StopReason.UNKNOWN)
            self.link.drop("the client ended")
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        if not self.first_ready.done():
            self.first_ready.set_exception(error or self.closing_error())
            self.first_ready.exception()  # counts as seen: the application may no longer be waiting
        self._events.emit(State.CLOSED, error=error)
        self.ended.set_result(None)

    def closing_error(self) -> QuicgwClientError:
        """Make the error of one call that can get no reply any more."""
        return ended_by(self.failure)

    async def shut_down(self, stop: StopReason | None) -> None:
        """End by the application's wish: with STOP and its reason, or (None) leaving the session behind.

        Within ``close_timeout``. Whoever is cancelled while waiting leaves a client that has ended all the same:
        nobody waits for it any more, and the connection is let go in the background.
        """
        if self._closing is None:
            link = self.link
            if ClientAction.TAKE_LEAVE in self._step(ClientEvent.STOPPED) and link is not None:
                self.inbox.acknowledge_now()
                if stop is not None:
                    link.stop(stop)
                else:
                    link.drop("closed by the client")
            self._closing = self.loop.create_task(self._close(link), name="quicgw client closing")
        try:
            await asyncio.shield(self._closing)
        finally:
            self.finish(None)

    async def _close(self, link: ClientLink | None) -> None:
        give_up_at = self.loop.time() + self.options.close_timeout
        try:
            if link is not None:
                await link.wait_ended(self.options.close_timeout)
                link.drop("closed by the client")
            self.finish(None)
            if self._task is not None:
                await asyncio.wait({self._task}, timeout=max(give_up_at - self.loop.time(), 0.0))
            await self._ended_links.wait(max(give_up_at - self.loop.time(), 0.0))
        finally:
            self.finish(None)
            if self.options.close_timeout > 0:  # 0 waits for nothing: what is on its way goes out in the background
                self._ended_links.abandon()

    # The first connection

    def time_to_connect(self) -> float | None:
        """Seconds left for the first connection, login included; None once calls could be made."""
        return None if self.first_ready.done() else self._connect_by - self.loop.time()

    def too_late(self) -> QuicgwClientError:
        """Say why the first connection is not ready in time."""
        limit = self.options.connect_timeout
        if self.login.refusal is not None:
            return self.login.refusal
        if self.link is not None:
            return ConnectionFailed(f"{self._where}: connected, but hello was not answered within {limit:g} s")
        if self._trying is not None:
            return self._trying.too_late(limit)
        return ConnectionFailed(f"not ready for calls within {limit:g} s: the token source did not answer")

    # START

    def started(self, link: ClientLink, answer: StartAnswer) -> None:
        """START was accepted: continue or begin anew, before the messages behind it are looked at."""
        try:
            outcome = self.session.started(answer)
        except ProtocolFailure:
            self.session.forget()
            raise
        if ClientAction.TAKE_ANSWER not in self._step(ClientEvent.STARTED):
            return
        self.link = link
        self.resumed = outcome.start is Start.RESUMED
        self._reconnecting.started()
        self._seen_at_start = self.session.seen
        self.stats.connects += 1
        self.inbox.attach(link)
        if outcome.start is Start.RESUMED:
            self._resume(link, outcome)
        elif outcome.start is Start.RESET:
            self._reset(outcome, answer)
        self._pacer.learn(answer.limits)
        self.session.share_window(answer.limits.in_flight, answer.limits.window_bytes)
        self.refresher.plan(answer.token_expires_in)
        self.refresher.connected(link.heartbeats, self._token)
        self.login.begin(link, fresh=not self.resumed)

    def _resume(self, link: ClientLink, outcome: StartOutcome[ClientCall]) -> None:
        if outcome.resend:
            link.send(self.calls.encode_again(outcome.resend))
        self.stats.resumes += 1
        self.stats.resent += len(outcome.resend)
        self._events.emit(State.RESUMED, resent=len(outcome.resend))

    def _reset(self, outcome: StartOutcome[ClientCall], answer: StartAnswer) -> None:
        self.stats.resets += 1
        self.inbox.reset()
        gone = [*outcome.lost, *self.calls.send_anew(outcome.not_taken)]
        lost = self.calls.fail(gone, lambda: SessionReset(outcome.reason, answer.gap))
        self._events.emit(State.RESET, reason=outcome.reason, gap=answer.gap, lost=lost)

    def become_ready(self, *, announce: bool) -> None:
        """Calls may be sent now; those that waited go first."""
        actions = self._step(ClientEvent.LOGGED_IN)
        if ClientAction.OPEN_CALLS in actions and self.link is not None:
            self.outgoing.open(self.link)
        if ClientAction.TELL_READY not in actions:
            return
        if announce:
            self._events.emit(State.CONNECTED)
        if not self.first_ready.done():
            self.first_ready.set_result(None)

    def login_failed(self, error: QuicgwClientError) -> None:
        """The client ends, and with it the session that nobody is logged in to."""
        self.finish(self.too_late() if isinstance(error, CallTimeout) else error, stop=True)

    # What the connection tells

    def pushed(self, link: ClientLink, push: ServerPush, now: float, size: int) -> None:
        """A message came; when the application cannot take it under the policy ``fail``, that is the end."""
        try:
            self.inbox.take(link, push, now, size)
        except ReceiveQueueFull as error:
            self.finish(error)

    def paused(self) -> None:
        """A batch of messages is done: acknowledge, and send the calls that waited for a reply or its room."""
        self.inbox.acknowledge()
        self.outgoing.flush()  # also when nothing waits any more: the next call must find the way open

    def writable(self, link: ClientLink) -> None:
        """The connection is no longer congested."""
        if link is self.link:
            self.outgoing.flush()

    def _unread(self) -> None:
        self._events.emit(State.UNREAD)

    def token_expires(self, seconds: float | None) -> None:
        """Fetch a fresh token in time."""
        self.refresher.plan(seconds)
