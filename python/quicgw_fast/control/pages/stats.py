"""What the gateway has done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NotRequired

from pydantic import ConfigDict
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from quicgw_fast.control.pages.described import SHAPE, DescribedRoute, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request


class ClusterStats(TypedDict):
    """What a node knows of its cluster. How many sessions moved is in ``counters``: ``sessions_departed``,
    ``sessions_arrived``."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    nodes: int
    """Those whose lease there was at the last renewal."""
    standing: dict[str, bool]
    """``held``: it may do everything. ``vouched``: for those that are here, as the other nodes have promised to leave
    it alone. ``suspended``: nothing. One is true."""
    lease_remaining: float
    """Seconds for which its lease surely holds."""
    claims: int
    """Openids that are here."""
    directory_up: bool
    """Whether the directory answers."""
    directory_latency: float
    """Seconds that the last renewal took."""


class StatsAnswer(TypedDict):
    """Of all that there is, what has a shape of its own; docs/reference/metrics.md has the numbers."""

    __pydantic_config__ = ConfigDict(use_attribute_docstrings=True, extra="allow")  # type: ignore[misc]

    cluster: NotRequired[ClusterStats]
    """Where the gateway is one out of many."""


SHOW: Final = Operation(
    "GET", "Everything that is counted and measured, as one object; keys are only added", StatsAnswer
)


def stats_pages(stats: Callable[[], Mapping[str, object]]) -> list[DescribedRoute]:
    """Return /stats; ``stats`` returns what can be written as JSON."""

    async def show_stats(_: Request) -> Response:
        return JSONResponse(stats())

    return [DescribedRoute("/stats", show_stats, SHOW)]
