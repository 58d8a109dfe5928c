"""Of how many nodes a page tells: of the whole cluster, whichever is asked, or of that one alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from quicgw_fast.control.pages.described import Parameter
from quicgw_fast.control.pages.queries import BadQueryError, one_of, whole

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

SCOPES: Final = ("cluster", "node")
SCOPE: Final = Parameter(
    "scope", "Of all nodes, or of the one that is asked; the same where it is alone",
    {"enum": [*SCOPES], "default": SCOPES[0]}, "node",
)  # fmt: skip
_CURSOR: Final = "write what `next` of the page before says"
_ID: Final = re.compile(r"[0-9a-f]{1,64}")
_LONGEST_NAME: Final = 128


class ViewsOfAll(Protocol):
    """How operators look at all nodes."""

    async def find(self, wanted: dict[str, str], behind: str, limit: int) -> dict[str, Any]:
        """Return a ``SessionList`` of those behind an id."""

    async def one(self, session_id: str) -> dict[str, Any] | None:
        """Return a ``SessionWithEvents``, None where there is none; raises NodesUnreached."""

    async def groups(self, behind: str, limit: int) -> dict[str, Any]:
        """Return a ``GroupList`` of those behind a name."""


class Scope:
    """Who answers a page: all nodes, where there are several and no other scope is asked for."""

    def __init__(self, of_all: ViewsOfAll | None) -> None:
        """``of_all`` is None for a gateway that is alone."""
        self._of_all = of_all

    def asked(self, given: QueryParams) -> ViewsOfAll | None:
        """Return who answers for all nodes; None where this one answers for itself. BadQueryError."""
        return self._of_all if one_of(given, SCOPE.name, SCOPES) == SCOPES[0] else None


def place(given: QueryParams, default: int) -> int:
    """Return behind which place in the list of one node the page begins; BadQueryError."""
    return whole(given, "cursor", default, least=0, hint=_CURSOR)


def behind_id(given: QueryParams) -> str:
    """Return behind which session's id the page of all nodes begins; BadQueryError."""
    cursor = given.get("cursor", "")
    if cursor and not _ID.fullmatch(cursor):
        raise BadQueryError("cursor", cursor, _CURSOR)
    return cursor


def behind_name(given: QueryParams) -> str:
    """Return behind which group the page of all nodes begins; BadQueryError."""
    cursor = given.get("cursor", "")
    if len(cursor.encode()) > _LONGEST_NAME:
        raise BadQueryError("cursor", cursor, _CURSOR)
    return cursor
