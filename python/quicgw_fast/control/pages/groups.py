"""The groups that sessions are in, one page after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from quicgw_fast.control.pages.described import SHAPE, DescribedRoute, Operation, Parameter
from quicgw_fast.control.pages.queries import whole
from quicgw_fast.control.pages.scope import SCOPE, behind_name, place

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from quicgw_fast.control.pages.scope import Scope

USUAL: Final = 100
MOST: Final = 1000
"""Groups of a page."""


class GroupView(TypedDict):
    """One group."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    name: str
    members: int
    """Sessions in it; one whose time was over in the last seconds may be counted still."""


class GroupList(TypedDict):
    """A page of groups, in the order in which they got their first member; those of a cluster by their names."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    version: int
    """Of this shape: 1."""
    at: float
    """Now, in seconds since 1970."""
    groups: list[GroupView]
    next: str | None
    """``cursor`` of the page behind this one; null: there is none."""
    total: int
    """How many there are, on all pages; one with members at several nodes counts at each of them."""
    memberships: int
    """Of all sessions in all groups; ``push.group_memberships`` at each node at most."""
    unreached_nodes: list[str]
    """Nodes that did not answer, whose sessions are not counted."""


FIND: Final = Operation(
    "GET", "Groups that have members, one page after the other", GroupList,
    parameters=(
        Parameter("limit", "Groups of a page; 1000 at most", {"type": "integer", "minimum": 1, "default": USUAL}, "5"),
        Parameter("cursor", "`next` of the page before", example="0"),
        SCOPE,
    ),
    errors={400: "A parameter is not known, or its value means nothing"},
)  # fmt: skip


class GroupViews(Protocol):
    """How groups are looked at."""

    def groups(self, after: int, limit: int) -> dict[str, Any]:
        """Return a ``GroupList`` of those behind the place ``after``."""


def group_pages(views: GroupViews, scope: Scope) -> list[Route]:
    """Return /groups."""

    async def find(request: Request) -> Response:
        given = request.query_params
        hint = "write how many are wanted; more than 1000 come in pages"
        limit = min(whole(given, "limit", USUAL, least=1, hint=hint), MOST)
        of_all = scope.asked(given)
        if of_all is not None:
            return JSONResponse(await of_all.groups(behind_name(given), limit))
        return JSONResponse(views.groups(place(given, 0), limit))

    return [DescribedRoute("/groups", find, FIND)]
