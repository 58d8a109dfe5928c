"""The client of an event loop that may be held up: its connection lives in a thread of its own.

A program's callback that sleeps, a long computation, a debugger: whatever holds the program's loop up, heartbeats go
out, packets are acknowledged, notifies are taken in and a lost connection is replaced meanwhile. What the program gave
to be called (``on_state``, the token source, the observer) is still called in its own loop, in order.

The methods are those of `Client`, run in the other loop. Two need no trip there and back: a call crosses once in each
direction, with one wake-up for all that cross together, and notifies are read right from the queue.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Self, TypeVar

from quicgw_fast.client.client import Client
from quicgw_fast.client.errors import ConnectionClosed, QuicgwClientError
from quicgw_fast.client.home import OtherLoop
from quicgw_fast.client.io_thread import LoopThread, io_thread
from quicgw_fast.client.known import like
from quicgw_fast.codes import CloseCode

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from quicgw_fast.client.calls import Draft
    from quicgw_fast.client.home import Home
    from quicgw_fast.client.messages import Reply, Ticket
    from quicgw_fast.client.options import ClientOptions
    from quicgw_fast.client.runner import Runner

P = ParamSpec("P")
R = TypeVar("R")


def _there(
    method: Callable[Concatenate[Client, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[ThreadClient, P], Coroutine[Any, Any, R]]:
    """Make the method that runs a method of Client where the connection lives."""

    @functools.wraps(method)
    async def run(self: ThreadClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._io.run(method(self, *args, **kwargs))

    return run


class ThreadClient(Client):
    """A `Client` whose connection nothing in the program's event loop holds up."""

    def __init__(self, options: ClientOptions) -> None:
        super().__init__(options)
        self._io: LoopThread = io_thread()
        self._loop: OtherLoop | None = None
        """The application's, from start() on."""
        self._anchor: asyncio.Task[None] | None = None

    def _live(self) -> Runner:
        self._io.check_process()
        return super()._live()

    def _home(self) -> Home:
        assert self._loop is not None, "start() sets it first"
        return self._loop

    @like(Client.start)
    async def start(self) -> Self:
        """Connect from the application's loop, and end with it."""
        if self._loop is None:
            self._loop = OtherLoop(asyncio.get_running_loop())
        try:
            await self._io.run(Client.start(self))
        except BaseException:
            if self._runner is not None and not self._runner.over:  # cancelled at the last moment
                await self.close()
            raise
        self._drop_anchor(self._live())
        return self

    close = _there(Client.close)
    detach = _there(Client.detach)
    drain = _there(Client.drain)
    refresh_token = _there(Client.refresh_token)

    @property
    def ticket(self) -> Ticket | None:
        """What another client would need to resume this session; None before the first START."""
        session = self._live().session
        return self._io.ask(session.ticket)

    def _send(self, draft: Draft) -> asyncio.Future[Reply]:
        assert self._loop is not None, "it was started"
        crossing = Crossing(self._loop, self._io)
        self._io.post(functools.partial(self._send_there, draft, crossing))
        return crossing.reply

    def _send_there(self, draft: Draft, crossing: Crossing) -> None:
        try:
            crossing.follow(super()._send(draft))
        except QuicgwClientError as error:  # it ended, or began to drain, while this was on its way
            crossing.fail(error)

    def _drop_anchor(self, runner: Runner) -> None:
        """Keep a task in the application's loop: who ends that loop, and all of its tasks, ends the client."""
        home = asyncio.get_running_loop()
        ended = home.create_future()
        self._anchor = home.create_task(self._stay(ended, runner), name=f"quicgw client {self.options.openid}")
        loop = self._loop

        def watch() -> None:
            assert loop is not None
            runner.ended.add_done_callback(lambda _: loop.mail.post(_settle, ended))

        self._io.post(watch)

    async def _stay(self, ended: asyncio.Future[None], runner: Runner) -> None:
        try:
            await ended
        except asyncio.CancelledError:
            error = ConnectionClosed(CloseCode.NORMAL, "NORMAL: the client's task was cancelled")
            self._io.post_if_ours(functools.partial(runner.finish, error))
            raise


class Crossing:
    """A call on its way from the application's loop to the connection's, and its reply on the way back."""

    __slots__ = ("_home", "_sent", "_thread", "reply")

    def __init__(self, home: OtherLoop, thread: LoopThread) -> None:
        self._home = home
        self._thread = thread
        self._sent: asyncio.Future[Reply] | None = None
        """The connection's future of the reply."""
        self.reply: asyncio.Future[Reply] = home.loop.create_future()
        self.reply.add_done_callback(self._left)

    def follow(self, sent: asyncio.Future[Reply]) -> None:
        """The call was made; where the connection lives."""
        self._sent = sent
        sent.add_done_callback(self._answered)

    def fail(self, error: BaseException) -> None:
        """It cannot be made any more."""
        self._home.mail.post(_settle_reply, self.reply, None, error)

    def _answered(self, sent: asyncio.Future[Reply]) -> None:
        if sent.cancelled():
            return  # by the application, which does not wait any more
        error = sent.exception()
        self._home.mail.post(_settle_reply, self.reply, None if error else sent.result(), error)

    def _left(self, reply: asyncio.Future[Reply]) -> None:
        if reply.cancelled():
            self._thread.post_if_ours(self._give_up)

    def _give_up(self) -> None:
        if self._sent is not None:
            self._sent.cancel()


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _settle_reply(future: asyncio.Future[Reply], reply: Reply | None, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    elif reply is not None:
        future.set_result(reply)
