"""Is the gateway alive, and does it take work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import PlainTextResponse, Response

from quicgw_fast.control.guard import TRUSTED
from quicgw_fast.control.pages.described import TEXT, DescribedRoute, Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request


ALIVE: Final = Operation("GET", "200 as long as the event loop turns; needs no token", str, media=(TEXT,))
READY: Final = Operation(
    "GET", "Whether the gateway takes work; needs no token, and tells no reason without", str,
    media=(TEXT,), texts={503: "It does not, and why"},
)  # fmt: skip


def health_pages(ready: Callable[[], str | None]) -> list[DescribedRoute]:
    """Return /livez, /healthz and /readyz; ``ready`` returns None, or the reason why the gateway takes no work.

    The reason may name addresses of the inside: a probe that shows no token is not told.
    """

    async def alive(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        reason = ready()
        if reason is None:
            return PlainTextResponse("ready\n")
        return PlainTextResponse(f"{reason if request.scope[TRUSTED] else 'not ready'}\n", 503)

    return [
        DescribedRoute("/livez", alive, ALIVE),
        DescribedRoute("/healthz", alive, ALIVE),
        DescribedRoute("/readyz", readyz, READY),
    ]
