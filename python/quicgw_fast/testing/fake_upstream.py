"""A service whose answers a test decides, and which remembers what it was asked."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypeVar, overload

from quicgw_fast.codes import OK
from quicgw_fast.service import Broadcasted, Pushed, Request, Service, ServiceError, Welcome
from quicgw_fast.service.handlers import Handlers, check_action

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from quicgw_fast.service import RunningService

    Function = TypeVar("Function", bound=Callable[..., Any])

HELLO = "hello"


class FakeUpstream:
    """All services behind a gateway in one. Its decorators are those of `quicgw_fast.service.Service`.

    An action that is given a handler again has the newer one, so a test may replace what a fixture set up. Without a
    handler, ``hello`` lets everybody in (zone 1, the openid as gid), and any other action is answered 404. Handlers may
    be plain functions or coroutines; they run in threads of their own, never in the test's.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        """What it was asked, the newest last; hello is among it."""
        self._handlers: dict[str, Handlers] = {}
        self._delays: dict[str, float] = {}
        self._asked = threading.Condition()
        self._service = Service()

    # What it answers

    def action(self, *names: str) -> Callable[[Function], Function]:
        """Have the decorated function answer these actions; raises ServiceMistake for what is no name or no handler."""
        checked = [check_action(name) for name in names]

        def enter(function: Function) -> Function:
            for name in checked:
                one = Handlers()
                one.add(name, function)
                self._handlers[name.lower()] = one
            return function

        return enter

    @overload
    def hello(self, function: Function) -> Function: ...
    @overload
    def hello(self) -> Callable[[Function], Function]: ...
    def hello(self, function: Function | None = None) -> Function | Callable[[Function], Function]:
        """Have the decorated function answer ``hello``: whoever gets a 200 from it is logged in."""
        enter: Callable[[Function], Function] = self.action(HELLO)
        return enter if function is None else enter(function)

    def answer(
        self, action: str, data: object = b"", *, code: int = OK, message: str = "ok", delay: float = 0.0
    ) -> None:
        """Have an action always answered so, ``delay`` seconds after it was asked for.

        ``data`` as a handler returns it: bytes, text, or what becomes JSON. Any other code than 200 is what the client
        sees as that of the service (``Reply.code``). Raises ValueError for a code that is none.
        """

        async def same(request: Request) -> object:  # noqa: ARG001
            await asyncio.sleep(delay)
            if code != OK:
                raise ServiceError(code, message)
            return data

        if code != OK:
            ServiceError(code, message)  # a mistake is told here, not to a client
        self.action(action)(same)

    # What it was asked

    def asked(self, action: str) -> list[Request]:
        """Return the requests for one action so far."""
        return [request for request in list(self.requests) if request.action.lower() == action.lower()]

    def wait_asked(self, action: str, count: int = 1, timeout: float = 10.0) -> list[Request]:
        """Wait until an action was asked for ``count`` times; raises TimeoutError after ``timeout`` seconds.

        It holds the test's thread up: in a coroutine, ``await asyncio.to_thread(upstream.wait_asked, "pay")``.
        """
        with self._asked:
            if not self._asked.wait_for(lambda: len(self.asked(action)) >= count, timeout):
                known = ", ".join(request.action for request in self.requests) or "nothing"
                raise TimeoutError(f"{action!r} was not asked for {count} times in {timeout:g} s; asked: {known}")
            return self.asked(action)

    # What it says by itself

    def push(self, kind: str, data: object = b"", *, openid: str, title: str = "", content: str = "") -> Pushed:
        """Notify one client now; from any thread, also in a coroutine of a test. Raises NotifyRefused."""
        return self._service.wait(self._service.push(kind, data, openid=openid, title=title, content=content))

    def broadcast(self, kind: str, data: object = b"", *, title: str = "", content: str = "") -> Broadcasted:
        """Notify everybody who is logged in."""
        return self._service.wait(self._service.broadcast(kind, data, title=title, content=content))

    # Its life

    def serving(self, gateway: str) -> AbstractAsyncContextManager[RunningService]:
        """Serve while the context lasts, registered with the gateway at the address of its gRPC."""
        self._service = Service(gateway=gateway, renew_every=1.0, grace=0.5)
        self._service.default(self._dispatch)
        return self._service.running()

    async def _dispatch(self, request: Request) -> object:
        with self._asked:
            self.requests.append(request)
            self._asked.notify_all()
        own = self._handlers.get(request.action.lower())
        handler = own.find(request.action) if own is not None else None
        if handler is not None:
            return await handler.answer(request, _in_thread)
        if request.action.lower() == HELLO:
            return Welcome(zone=1, gid=request.openid)
        raise ServiceError(404, f"no handler in the test: write one with @upstream.action({request.action!r})")


async def _in_thread(function: Callable[..., object], *arguments: object) -> object:
    return await asyncio.to_thread(function, *arguments)
