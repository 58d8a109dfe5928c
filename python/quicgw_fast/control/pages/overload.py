"""What the rules of overload do, and a way to change them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from quicgw_fast.control.errors import failed
from quicgw_fast.control.pages.bodies import BadBodyError, read_object
from quicgw_fast.control.pages.described import SHAPE, DescribedRoute, Operation
from quicgw_fast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request


class ChangeableLimits(Protocol):
    """The rules, as an operator sees them."""

    def report(self) -> Mapping[str, object]:
        """All of them, as it can be written as JSON."""

    def change(self, tables: Mapping[str, Any]) -> None:
        """Change keys of the configuration by their tables; ConfigError says why not, and nothing has changed then."""


class RuleLevel(TypedDict, total=False):
    """How near the bound of a rule is, of those that tell it."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    value: float | None
    """What is bounded; null while nobody measures it."""
    warns_from: float | None
    """The value from which on it is near; null without a bound."""
    near: bool


class RuleView(RuleLevel):
    """One rule at one moment."""

    moment: str
    rule: str
    mode: Literal["enforce", "observe", "off"]
    """Whether it refuses, only counts what it would refuse (shadow), or has no bound."""
    bounds: dict[str, Any]
    """By their keys."""
    refused: int
    would_reject: int


class OverloadReport(TypedDict):
    """All rules, in the order in which a client and its messages meet them."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    note: str
    rules: list[RuleView]


SHOW: Final = Operation("GET", "The rules that refuse: mode, bounds, what they did, how near they are", OverloadReport)
CHANGE: Final = Operation(
    "PATCH", "Change bounds and modes, by the tables of the configuration", OverloadReport,
    body=dict, errors={400: "A key or value cannot be used: nothing has changed"},
)  # fmt: skip
CHANGE_BY_POST: Final = replace(CHANGE, method="POST")
_SENT: Final = '{"limits": {"in_flight": 32}, "overload": {"observe": ["full"]}}'


def overload_pages(limits: ChangeableLimits) -> list[DescribedRoute]:
    """Return /overload: GET shows all rules; PATCH and POST change bounds and modes, and show what came of it."""

    async def show(_: Request) -> Response:
        return JSONResponse(limits.report())

    async def change(request: Request) -> Response:
        try:
            limits.change(await read_object(request))
        except BadBodyError as error:
            return error.answer(f"send {_SENT}")
        except ConfigError as error:
            return failed(400, "BAD_SETTING", error, "GET /overload has what can be changed; nothing has changed now")
        return await show(request)

    async def show_or_change(request: Request) -> Response:
        return await (show if request.method in {"GET", "HEAD"} else change)(request)

    return [DescribedRoute("/overload", show_or_change, SHOW, CHANGE, CHANGE_BY_POST)]
