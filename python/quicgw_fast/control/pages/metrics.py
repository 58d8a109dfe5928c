"""The metrics as Prometheus scrapes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from quicgw_fast.control.pages.described import TEXT, DescribedRoute, Operation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

METRICS: Final = Operation(
    "GET", "All metrics, in Prometheus' text form or, by `Accept`, as OpenMetrics", str,
    media=(TEXT, "application/openmetrics-text"),
)  # fmt: skip


def metrics_pages(render: Callable[[str], Awaitable[tuple[bytes, str]]]) -> list[DescribedRoute]:
    """Return /metrics; ``render`` takes the header Accept, and returns the page and its media type."""

    async def show(request: Request) -> Response:
        page, media = await render(request.headers.get("accept", ""))
        return Response(page, media_type=media)

    return [DescribedRoute("/metrics", show, METRICS)]
