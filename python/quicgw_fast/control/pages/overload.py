"""What the rules of overload do, and a way to change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from quicgw_fast.control.pages.bodies import BadBodyError, read_object, refused
from quicgw_fast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request


class ChangeableLimits(Protocol):
    """The rules, as an operator sees them."""

    def report(self) -> Mapping[str, object]:
        """All of them, as it can be written as JSON."""

    def change(self, tables: Mapping[str, Any]) -> None:
        """Change keys of the configuration by their tables; ConfigError says why not, and nothing has changed then."""


def overload_pages(limits: ChangeableLimits) -> list[Route]:
    """Return /overload: GET shows all rules; PATCH and POST change bounds and modes, and show what came of it."""

    async def show(_: Request) -> Response:
        return JSONResponse(limits.report())

    async def change(request: Request) -> Response:
        try:
            limits.change(await read_object(request))
        except (BadBodyError, ConfigError) as error:
            return refused(error)
        return JSONResponse(limits.report())

    return [Route("/overload", show), Route("/overload", change, methods=["PATCH", "POST"])]
