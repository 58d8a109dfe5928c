"""Is the gateway alive, and does it take work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request


def health_pages(ready: Callable[[], str | None]) -> list[Route]:
    """Return /healthz and /readyz; ``ready`` returns None, or the reason why the gateway takes no work."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        reason = ready()
        return PlainTextResponse("ready\n") if reason is None else PlainTextResponse(f"{reason}\n", 503)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
