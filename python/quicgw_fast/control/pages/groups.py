"""The groups that sessions are in, one page after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from quicgw_fast.control.pages.described import SHAPE, DescribedRoute, Operation, Parameter
from quicgw_fast.control.pages.queries import BadQueryError, whole

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

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
    """A page of groups, in the order in which they got their first member."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    version: int
    """Of this shape: 1."""
    at: float
    """Now, in seconds since 1970."""
    groups: list[GroupView]
    next: str | None
    """``cursor`` of the page behind this one; null: there is none."""
    total: int
    """How many there are, on all pages."""
    memberships: int
    """Of all sessions in all groups; ``push.group_memberships`` at most."""


FIND: Final = Operation(
    "GET", "Groups that have members, one page after the other", GroupList,
    parameters=(
        Parameter("limit", "Groups of a page; 1000 at most", {"type": "integer", "minimum": 1, "default": USUAL}, "5"),
        Parameter("cursor", "`next` of the page before", {"type": "string", "pattern": "^[0-9]+$"}, "0"),
    ),
    errors={400: "A parameter is not known, or its value means nothing"},
)  # fmt: skip


class GroupViews(Protocol):
    """How groups are looked at."""

    def groups(self, after: int, limit: int) -> dict[str, Any]:
        """Return a ``GroupList`` of those behind the place ``after``."""


def group_pages(views: GroupViews) -> list[Route]:
    """Return /groups."""

    async def find(request: Request) -> Response:
        given = request.query_params
        try:
            after = whole(given, "cursor", 0, least=0, hint="write what `next` of the page before says")
            limit = whole(
                given, "limit", USUAL, least=1, hint="write how many are wanted; more than 1000 come in pages"
            )
        except BadQueryError as error:
            return error.answer()
        return JSONResponse(views.groups(after, min(limit, MOST)))

    return [DescribedRoute("/groups", find, FIND)]
