"""What a page of the admin port says about itself, beside its code: from this ``/openapi.json`` and its tests are made.

The shape of an answer is a ``TypedDict`` whose fields have docstrings, so that a shape is written once, for whoever
reads the code and for whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import ConfigDict
from starlette.routing import Match, Route

from quicgw_fast.control.guard import PROBES
from quicgw_fast.control.pages.queries import BadQueryError, check_names

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Scope

    Handler = Callable[[Request], Awaitable[Response]]

SHAPE: Final = ConfigDict(use_attribute_docstrings=True, extra="forbid")
"""``__pydantic_config__`` of every shape."""
JSON: Final = "application/json"
TEXT: Final = "text/plain"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One that stands in the query, or in the path if that names it."""

    name: str
    help: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    """As JSON Schema has it."""
    example: str = ""
    """What a test may ask with."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method does."""

    method: str
    summary: str
    answer: type
    """The shape; ``str`` for text."""
    media: tuple[str, ...] = (JSON,)
    """Media types that it may come as."""
    parameters: tuple[Parameter, ...] = ()
    body: type | None = None
    """The shape of what is sent."""
    errors: Mapping[int, str] = field(default_factory=dict)
    """The statuses of its own refusals, and when they are answered."""
    texts: Mapping[int, str] = field(default_factory=dict)
    """Other answers, as text."""


class DescribedRoute(Route):
    """A page, with what its methods do; parameters that none of them describes, or that mean nothing, are answered 400.

    Probes alone take any: a load balancer that adds one must not find the gateway dead.
    """

    def __init__(self, path: str, handler: Handler, *operations: Operation) -> None:
        asked = handler if path in PROBES else _strict(handler, _names(path, operations))
        super().__init__(path, asked, methods=[operation.method for operation in operations])
        self.operations = operations

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Take a path with every method (starlette): what it does not do it refuses, and no other page is asked."""
        match, child = super().matches(scope)
        return Match.NONE if match is Match.NONE else Match.FULL, child


def _names(path: str, operations: Sequence[Operation]) -> dict[str, list[str]]:
    """The parameters of the query, by method."""
    names = {
        operation.method: [each.name for each in operation.parameters if f"{{{each.name}}}" not in path]
        for operation in operations
    }
    return names | ({"HEAD": names["GET"]} if "GET" in names else {})


def _strict(handler: Handler, names: Mapping[str, list[str]]) -> Handler:
    async def asked(request: Request) -> Response:
        try:
            check_names(request.query_params, names[request.method])
            return await handler(request)
        except BadQueryError as error:
            return error.answer()

    return asked
