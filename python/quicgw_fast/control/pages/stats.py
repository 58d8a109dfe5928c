"""What the gateway has done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request


def stats_pages(stats: Callable[[], Mapping[str, object]]) -> list[Route]:
    """Return /stats; ``stats`` returns what can be written as JSON."""

    async def show_stats(_: Request) -> Response:
        return JSONResponse(stats())

    return [Route("/stats", show_stats)]
