"""The admin pages over HTTP: is the gateway alive, does it take work, what has it done."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, cast

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from quicgw_fast.control.http import REQUEST_TIMEOUT, AdminConnection
from quicgw_fast.control.listen import bind_tcp

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from starlette.requests import Request


def make_app(
    ready: Callable[[], str | None],
    stats: Callable[[], Mapping[str, object]],
) -> Starlette:
    """Return the admin application.

    ``ready`` returns None, or the reason why the gateway takes no work; ``stats`` returns what can be written
    as JSON.
    """

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        reason = ready()
        return PlainTextResponse("ready\n") if reason is None else PlainTextResponse(f"{reason}\n", 503)

    async def show_stats(_: Request) -> Response:
        return JSONResponse(stats())

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/stats", show_stats),
        ]
    )


class AdminServer:
    """The admin pages, served in the running loop.

    ``start`` makes it; ``address`` is (host, port) as bound.
    """

    def __init__(self, server: _Server, task: asyncio.Task[None], address: tuple[str, int]) -> None:
        self._server = server
        self._task = task
        self.address = address

    @classmethod
    async def start(
        cls,
        host: str,
        port: int,
        *,
        ready: Callable[[], str | None],
        stats: Callable[[], Mapping[str, object]],
        timeout: float = REQUEST_TIMEOUT,
    ) -> AdminServer:
        """Serve the pages of ``make_app``; a connection without a complete request for ``timeout`` seconds is closed.

        Raises StartupError when the address cannot be had.
        """
        sock = bind_tcp(host, port, "the admin pages", "set server.admin")
        server = _Server(
            uvicorn.Config(
                make_app(ready, stats),
                http=cast("type[asyncio.Protocol]", partial(AdminConnection, timeout=timeout)),
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="error",  # a warning for each bad request would be written as often as anybody likes
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=1,
            )
        )
        task = asyncio.create_task(server.serve([sock]), name="admin-http")
        try:
            await asyncio.wait({task, server.up}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
        except BaseException:
            task.cancel()
            await asyncio.wait({task})
            sock.close()
            raise
        return cls(server, task, (host, sock.getsockname()[1]))

    async def stop(self) -> None:
        """Close the port, let answers under way finish for at most a second, and end. May be called twice."""
        self._server.should_exit = True
        await self._task


class _Server(uvicorn.Server):
    """uvicorn as a guest: it says when it is up, and leaves signals to its host."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set_result(None)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
