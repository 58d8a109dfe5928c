"""The client for programs without an event loop: the same names, and every call waits.

Its connection lives in the thread of all connections (``io_thread``), so heartbeats, acknowledgements and reconnecting
go on whatever the program does. What the program gave to be called is called in a thread of its own, in order.

Methods that wait are made from those of `Client` by one decorator: same signature, same docstring, same errors.
"""

from __future__ import annotations

import concurrent.futures
import functools
import inspect
import math
import time
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from quicgw_fast.client import checks
from quicgw_fast.client.client import Client
from quicgw_fast.client.connecting import connect as connect_async
from quicgw_fast.client.errors import QuicgwClientError, no_notify
from quicgw_fast.client.home import OtherLoop
from quicgw_fast.client.io_thread import LoopThread, io_thread
from quicgw_fast.client.known import Known, like
from quicgw_fast.client.messages import StopReason

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
    from types import TracebackType

    from quicgw_fast.client.calls import Draft
    from quicgw_fast.client.checks import Octets
    from quicgw_fast.client.home import Home
    from quicgw_fast.client.messages import Notify, Reply, Ticket
    from quicgw_fast.client.options import ClientOptions
    from quicgw_fast.client.runner import Runner

P = ParamSpec("P")
R = TypeVar("R")
LAST_CALLBACK = 1.0
"""Seconds that close() waits for the program's own code, which may still be at work on what it was told."""


def _waiting(
    method: Callable[Concatenate[Client, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[SyncClient, P], R]:
    """Make the method that waits for one of Client."""

    @functools.wraps(method)
    def wait(self: SyncClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._thread.wait(method(self._served, *args, **kwargs))

    return wait


class SyncClient(Known):
    """One session with a gateway, kept over any number of connections, for programs without an event loop.

    Made, and connected, by `quicgw_fast.sync.connect`; leave it with close(), or use it in a ``with`` statement. It may
    be used from several threads at once. Ctrl-C interrupts whatever waits. After a fork the child connects anew: there,
    the methods of a client of its parent raise RuntimeError. ``on_state``, a token source and an observer are called in
    a thread of their own, one after the other, and may use the client.
    """

    def __init__(self, options: ClientOptions) -> None:
        self.options = options
        self._thread: LoopThread = io_thread()
        self._served = ServedClient(options)
        """The client in the thread of the connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> Self:
        """Connect, START and log in; `quicgw_fast.sync.connect` has done it. Raises what that raises."""
        try:
            self._thread.wait(self._served.start())
        except BaseException:
            self._served.end()
            raise
        self._runner = self._served.runner()
        return self

    _close = _waiting(Client.close)
    _detach = _waiting(Client.detach)
    drain = _waiting(Client.drain)
    call = _waiting(Client.call)
    refresh_token = _waiting(Client.refresh_token)

    @like(Client.close)
    def close(self, reason: StopReason = StopReason.APP_CLOSE) -> None:
        """End the session, and then the thread of the program's code."""
        try:
            self._close(reason)
        finally:
            self._served.end()

    @like(Client.detach)
    def detach(self) -> Ticket:
        """Leave the session, and end the thread of the program's code."""
        try:
            return self._detach()
        finally:
            self._served.end()

    @like(Client.submit)
    def submit(
        self,
        action: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Octets = b"",
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> concurrent.futures.Future[Reply]:
        """Check here, send where the connection lives."""
        draft = self._served.prepare(action, params, data, headers, timeout)
        reply: concurrent.futures.Future[Reply] = concurrent.futures.Future()
        self._thread.post(functools.partial(self._served.send, draft, reply, self._thread))
        return reply

    @like(Client.notifies)
    def notifies(self) -> Iterator[Notify]:
        """Read right from the queue."""
        while (notify := self._next(None)) is not None:
            yield notify
        self._raise_failure()

    @like(Client.next_notify)
    def next_notify(self, timeout: float | None = None) -> Notify:
        """Read right from the queue."""
        if timeout is not None:
            checks.seconds("timeout", timeout, zero=True, forever=True)
        notify = self._next(timeout)
        if notify is None:
            self._raise_failure()
            raise self._live().closing_error()
        return notify

    def _next(self, timeout: float | None) -> Notify | None:
        self._thread.check_process()
        deadline = None if timeout is None or timeout == math.inf else time.monotonic() + timeout
        try:
            return self._live().inbox.queue.get_blocking(deadline, time.monotonic)
        except TimeoutError:
            raise no_notify(timeout) from None

    @property
    def ticket(self) -> Ticket | None:
        """What another client would need to resume this session; None before the first START."""
        return self._thread.ask(self._live().session.ticket)


class ServedClient(Client):
    """The client behind a SyncClient: it lives in the thread of the connections."""

    def __init__(self, options: ClientOptions) -> None:
        super().__init__(options)
        self._callbacks = CallbackThread(f"quicgw callbacks of {options.openid}")

    def _home(self) -> Home:
        return self._callbacks

    def runner(self) -> Runner:
        """Return what keeps it connected."""
        return self._live()

    def prepare(
        self,
        action: str,
        params: Mapping[str, str] | None,
        data: Octets,
        headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> Draft:
        """Check a request, in the thread of who makes it."""
        return self._draft(action, params, data, headers, timeout)

    def send(self, draft: Draft, reply: concurrent.futures.Future[Reply], thread: LoopThread) -> None:
        """Send it, where the connection lives; ``reply`` may be cancelled in any thread."""
        try:
            sent = self._send(draft)
        except QuicgwClientError as error:  # it ended, or began to drain, while this was on its way
            _answer(reply, None, error)
            return
        sent.add_done_callback(functools.partial(_pass_on, reply))
        reply.add_done_callback(lambda reply: thread.post(sent.cancel) if reply.cancelled() else None)

    def end(self) -> None:
        """The program hears of nothing more."""
        self._callbacks.end()


def _pass_on(reply: concurrent.futures.Future[Reply], sent: asyncio.Future[Reply]) -> None:
    if not sent.cancelled():
        error = sent.exception()
        _answer(reply, None if error else sent.result(), error)


def _answer(future: concurrent.futures.Future[Reply], reply: Reply | None, error: BaseException | None) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if error is not None:
        future.set_exception(error)
    elif reply is not None:
        future.set_result(reply)


class CallbackThread:
    """A home for what a program without an event loop gave to be called; its thread begins when there is something."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._begun: tuple[LoopThread, OtherLoop] | None = None

    def tell(self, what: str, work: Callable[[], object]) -> None:
        """Call it there, behind what it was told before."""
        self._home().tell(what, work)

    async def ask(self, work: Callable[[], R | Awaitable[R]]) -> R:
        """Wait until it was called there."""
        return await self._home().ask(work)

    def end(self) -> None:
        """End the thread when it has done what it was told, and wait a moment for that."""
        if self._begun is not None:
            self._begun[0].end(LAST_CALLBACK)

    def _home(self) -> OtherLoop:
        if self._begun is None:
            thread = LoopThread(self._name)
            self._begun = thread, OtherLoop(thread.loop)
        return self._begun[1]


def connected(make: Callable[P, Client]) -> Callable[P, SyncClient]:
    """Make the function that takes what ``connect`` takes, and waits until there is a connection."""

    @functools.wraps(make, assigned=("__annotations__",))
    def connect(*args: P.args, **kwargs: P.kwargs) -> SyncClient:
        """Connect to the gateway at ``address`` (``host:port``), and log in.

        ::

            with quicgw_fast.sync.connect("127.0.0.1:8443", openid="alice", insecure=True) as client:
                reply = client.call("echo", data=b"hi")

        Arguments as those of `quicgw_fast.connect`; a thread of its own is what a client without an event loop always
        has. ``on_state``, a token source and an observer are called in another one, and may block.

        Raises TypeError or ValueError for a value that makes no sense, StartupError for a quinn that was not built, and
        ConnectionFailed, ConnectionClosed, or the ReplyError with which START or hello was refused.
        """
        if kwargs.get("thread") is False:
            raise ValueError("thread=False is for programs with an event loop: use quicgw_fast.connect")
        return SyncClient(make(*args, **kwargs).options).start()

    connect.__signature__ = inspect.signature(make).replace(return_annotation="SyncClient")  # type: ignore[attr-defined]
    return connect


connect = connected(connect_async)
