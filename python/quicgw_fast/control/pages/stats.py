"""What the gateway has done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response

from quicgw_fast.control.pages.described import DescribedRoute, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request


SHOW: Final = Operation("GET", "Everything that is counted and measured, as one object; keys are only added", dict)


def stats_pages(stats: Callable[[], Mapping[str, object]]) -> list[DescribedRoute]:
    """Return /stats; ``stats`` returns what can be written as JSON."""

    async def show_stats(_: Request) -> Response:
        return JSONResponse(stats())

    return [DescribedRoute("/stats", show_stats, SHOW)]
