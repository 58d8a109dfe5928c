"""The nodes of the cluster, as the one that is asked sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from quicgw_fast.control.errors import failed
from quicgw_fast.control.pages.described import SHAPE, DescribedRoute, Operation

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route


class NodeView(TypedDict):
    """One node."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    name: str
    """``cluster.node_id`` and which start of it this is."""
    address: str
    """Where the other nodes reach it."""
    reached: bool
    """Whether it answered; from ``version`` on all is null if it did not."""
    ended: bool
    """Whether its process is no more, as its machine says."""
    reason: str
    """Why it did not answer; empty otherwise."""
    version: str | None
    state: str | None
    """``serving`` or ``draining``."""
    uptime: float | None
    """Seconds."""
    sessions: int | None
    sessions_detached: int | None
    lease_remaining: float | None
    """Seconds for which its lease surely holds."""
    directory: str | None
    """``up``, or why it cannot ask the directory."""
    directory_latency: float | None
    """Seconds that the last renewal of its lease took."""


class ClusterView(TypedDict):
    """All nodes whose lease there was at the last renewal of the one that is asked."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    version: int
    """Of this shape: 1."""
    at: float
    """Now, in seconds since 1970."""
    node: str
    """The one that is asked."""
    nodes: list[NodeView]


LOOK: Final = Operation(
    "GET", "Nodes of the cluster; each is asked how it is", ClusterView,
    errors={404: "The gateway is alone"},
)  # fmt: skip


class ClusterViews(Protocol):
    """Who knows the other nodes."""

    async def look(self) -> dict[str, Any]:
        """Ask them; a ``ClusterView``."""


def alone() -> Response:
    """Answer whoever asks a gateway without others for them."""
    return failed(404, "ALONE", "this gateway is in no cluster", "set cluster.url to a directory")


def cluster_pages(views: ClusterViews | None) -> list[Route]:
    """Return /cluster; ``views`` is None for a gateway that is alone."""

    async def look(_: Request) -> Response:
        if views is None:
            return alone()
        return JSONResponse(await views.look())

    return [DescribedRoute("/cluster", look, LOOK)]
