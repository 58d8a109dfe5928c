"""What the gateway runs with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NotRequired

from pydantic import Field
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from quicgw_fast.control.pages.described import SHAPE, DescribedRoute, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request


class EffectiveSetting(TypedDict):
    """The value of one key, and where it is from. Secrets are in files, whose names alone are settings."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    value: Any
    """As people write it; null for a key that is not set."""
    default: Any
    changed: bool
    """Whether it is not the default."""
    origin: Annotated[Literal["default", "file", "variable", "flag", "change"], Field(alias="from")]
    """``change``: an operator changed it in the running gateway."""
    file: NotRequired[str]
    line: NotRequired[int | None]
    variable: NotRequired[str]
    live: bool
    """Whether a reload takes another value."""


class ConfigAnswer(TypedDict):
    """All keys, in the order of the tables."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    version: int
    """Of this shape: 1."""
    settings: dict[str, EffectiveSetting]


SHOW: Final = Operation("GET", "The value of every key, and where it is from", ConfigAnswer)


def config_pages(settings: Callable[[], Mapping[str, object]]) -> list[DescribedRoute]:
    """Return /config; ``settings`` returns a ``ConfigAnswer``."""

    async def show(_: Request) -> Response:
        return JSONResponse(settings())

    return [DescribedRoute("/config", show, SHOW)]
