"""The instances of services: how each is, and a way to take one out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from quicgw_fast.control.errors import failed
from quicgw_fast.control.pages.bodies import BadBodyError, read_object
from quicgw_fast.control.pages.described import SHAPE, DescribedRoute, Operation

if TYPE_CHECKING:
    from starlette.requests import Request


class Instances(Protocol):
    """The upstream side, as an operator sees it."""

    def rows(self) -> list[dict[str, object]]:
        """Return an ``UpstreamInstance`` for each service of each instance."""

    def drain(self, address: str, *, on: bool) -> bool:
        """Have an instance get no new calls, or get them again; False when there is none with that address."""


class InstanceLatency(TypedDict):
    """Seconds of all its calls; 0 before the first one."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    p50: float
    p99: float


class UpstreamInstance(TypedDict):
    """One instance of a service; one that serves several has a row for each, with the same numbers."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    service: str
    address: str
    state: Literal["well", "connecting", "down", "suspect", "silent", "ejected", "on-trial", "drained"]
    """Only ``well`` gets its full share of calls."""
    reason: str
    """Why it gets none, or fewer; empty where nothing speaks against it."""
    under_way: int
    """Calls that are."""
    calls: int
    """Since it is known."""
    failures: int
    """Of them those that failed, or were not answered in time."""
    latency: InstanceLatency
    ejected_until: float | None
    """Seconds since 1970 at which it may return; null where it is not out."""
    lease: float | None
    """Seconds after which it leaves unless it registers again; null where it stays."""
    drained: bool
    """Whether an operator took it out."""


class UpstreamList(TypedDict):
    """All instances."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    version: int
    """Of this shape: 1."""
    at: float
    """Now, in seconds since 1970."""
    upstreams: list[UpstreamInstance]


class DrainBody(TypedDict):
    """Which one, and whether it is to be out."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    address: str
    on: bool


SHOW: Final = Operation("GET", "The instances of services, and how each is", UpstreamList)
DRAIN: Final = Operation(
    "POST", "Give an instance no new calls, or put it back; calls under way are answered", UpstreamList,
    body=DrainBody, errors={400: "The body is not one address and true or false", 404: "There is no such instance"},
)  # fmt: skip
_SENT: Final = '{"address": "127.0.0.1:9001", "on": true}'


def upstream_pages(instances: Instances) -> list[DescribedRoute]:
    """Return /upstreams and /upstreams/drain."""

    def listed(rows: list[dict[str, Any]]) -> Response:
        return JSONResponse({"version": 1, "at": time.time(), "upstreams": rows})

    async def show(_: Request) -> Response:
        return listed(instances.rows())

    async def drain(request: Request) -> Response:
        try:
            address, on = _wanted(await read_object(request))
        except BadBodyError as error:
            return error.answer(f"send {_SENT}")
        if not instances.drain(address, on=on):
            hint = "GET /upstreams has the addresses, each in the spelling that is meant"
            return failed(404, "NOT_FOUND", f"{address[:128]} is no instance of a service", hint)
        return listed([row for row in instances.rows() if row["address"] == address])

    return [DescribedRoute("/upstreams", show, SHOW), DescribedRoute("/upstreams/drain", drain, DRAIN)]


def _wanted(body: dict[str, Any]) -> tuple[str, bool]:
    address, on = body.get("address"), body.get("on")
    if set(body) != {"address", "on"} or not isinstance(address, str) or not isinstance(on, bool):
        raise BadBodyError("address (a string) and on (true or false) are needed, and nothing else")
    return address, on
