"""Have the gateway stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

_EMBEDDED = {
    "code": "NOT_MINE",
    "message": "this gateway runs inside of another program, which alone ends it",
    "hint": "end that program",
}


def drain_pages(end: Callable[[], None] | None, at_most: Callable[[], float]) -> list[Route]:
    """Return POST /drain: ``end`` asks for what a first SIGTERM does, as often as it is called.

    None where nobody can be asked: 409. ``at_most`` is how many seconds that takes at most.
    """

    async def drain(_: Request) -> Response:
        if end is None:
            return JSONResponse({"error": _EMBEDDED}, 409)
        end()
        return JSONResponse({"version": 1, "draining": True, "at_most": at_most()})

    return [Route("/drain", drain, methods=["POST"])]
