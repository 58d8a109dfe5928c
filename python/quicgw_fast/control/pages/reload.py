"""Have the configuration read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from quicgw_fast.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request


def reload_pages(reload: Callable[[], Awaitable[Mapping[str, object]]]) -> list[Route]:
    """Return POST /reload: 200 with what ``reload`` returns, or 409 with the sentence of its GatewayError."""

    async def do_reload(_: Request) -> Response:
        try:
            return JSONResponse(await reload())
        except GatewayError as error:
            return JSONResponse({"error": str(error)}, 409)

    return [Route("/reload", do_reload, methods=["POST"])]
