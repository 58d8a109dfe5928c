"""What a page of the admin port says about itself, beside its code: from this ``/openapi.json`` and its tests are made.

The shape of an answer is a ``TypedDict`` whose fields have docstrings, so that a shape is written once, for whoever
reads the code and for whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import ConfigDict
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

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
    """A page, with what its methods do."""

    def __init__(self, path: str, handler: Handler, *operations: Operation) -> None:
        super().__init__(path, handler, methods=[operation.method for operation in operations])
        self.operations = operations
