"""Is the gateway alive, and does it take work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from quicgw_fast.control.guard import TRUSTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request


def health_pages(ready: Callable[[], str | None]) -> list[Route]:
    """Return /healthz and /readyz; ``ready`` returns None, or the reason why the gateway takes no work.

    The reason may name addresses of the inside: a probe that shows no token is not told.
    """

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        reason = ready()
        if reason is None:
            return PlainTextResponse("ready\n")
        return PlainTextResponse(f"{reason if request.scope[TRUSTED] else 'not ready'}\n", 503)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
