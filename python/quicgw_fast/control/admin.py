"""The server of the admin pages over HTTP; the pages themselves are in ``pages/``."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, cast

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from quicgw_fast.control.errors import unserved
from quicgw_fast.control.failures import Failures
from quicgw_fast.control.guard import LARGEST_HEAD
from quicgw_fast.control.http import REQUEST_TIMEOUT, AdminConnection
from quicgw_fast.control.listen import bind_tcp

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

    from starlette.routing import Route

    from quicgw_fast.control.guard import AdminGuard


class AdminServer:
    """The admin pages, served in the running loop.

    ``start`` makes it; ``address`` is (host, port) as bound.
    """

    def __init__(self, server: _Server, task: asyncio.Task[None], address: tuple[str, int]) -> None:
        self._server = server
        self._task = task
        self.address = address

    @staticmethod
    def bind(host: str, port: int) -> socket.socket:
        """Take the address; StartupError when it cannot be had."""
        return bind_tcp(host, port, "the admin pages", "set server.admin (--admin)")

    @classmethod
    async def start(
        cls,
        host: str,
        port: int,
        pages: Sequence[Route],
        guard: AdminGuard,
        *,
        timeout: float = REQUEST_TIMEOUT,
        sock: socket.socket | None = None,
    ) -> AdminServer:
        """Serve the pages to whom the guard lets in; on ``sock``, where that is bound already.

        A connection without a complete request for ``timeout`` seconds is closed. Raises StartupError when the address
        cannot be had.
        """
        sock = cls.bind(host, port) if sock is None else sock
        server = _Server(
            uvicorn.Config(
                guard.around(_application(pages, guard)),
                http=cast("type[asyncio.Protocol]", partial(AdminConnection, timeout=timeout)),
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="error",  # a warning for each bad request would be written as often as anybody likes
                access_log=False,
                server_header=False,
                proxy_headers=False,
                h11_max_incomplete_event_size=LARGEST_HEAD,  # of what is not complete; the guard looks at the rest
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

    def close_port(self) -> None:
        """Take nobody in any more, from this moment on."""
        for listening in self._server.servers:
            listening.close()

    async def stop(self) -> None:
        """Close the port, let answers under way finish for at most a second, and end. May be called twice."""
        self._server.should_exit = True
        await self._task


def _application(pages: Sequence[Route], guard: AdminGuard) -> Starlette:
    app = Starlette(
        routes=pages,
        middleware=[Middleware(Failures, guard.page_failed)],
        exception_handlers={HTTPException: unserved(pages)},
    )
    # To which host it would lead, the request says: whoever sends it to others could choose.
    app.router.redirect_slashes = False
    return app


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
