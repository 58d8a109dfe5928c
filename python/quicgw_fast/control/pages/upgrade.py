"""Have another process take over, and see how far that is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Protocol

from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from quicgw_fast.control.errors import failed
from quicgw_fast.control.http import PATIENCE
from quicgw_fast.control.pages.described import SHAPE, DescribedRoute, Operation
from quicgw_fast.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from quicgw_fast.config import Config


class UpgradeAnswer(TypedDict):
    """The successor serves, and sessions follow."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    version: int
    """Of this shape: 1."""
    pid: int
    """The successor's process id."""
    sessions: int
    """Those that follow it."""


class UpgradeView(TypedDict):
    """How far it is, as the process says that serves."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    version: int
    """Of this shape: 1."""
    pid: int
    """Its process id."""
    predecessor: bool
    """Whether the process before it is still there, to end what it began."""
    sessions_left: int | None
    """Sessions that are still there; null without a predecessor, or if that does not answer."""


class Upgrades(Protocol):
    """Who does it."""

    async def upgrade(self) -> Mapping[str, object]:
        """Start a successor and let it serve; raises a GatewayError when there is none, and nothing has changed."""

    async def look(self) -> Mapping[str, object]:
        """Say how far it is."""


UPGRADE: Final = Operation(
    "POST", "Start a successor with the same command, which takes over ports, clients and sessions", UpgradeAnswer,
    errors={409: "There is no successor: nothing has changed"},
)  # fmt: skip
LOOK: Final = Operation("GET", "How far an upgrade is", UpgradeView)
LONGEST_START: Final = 90.0
"""Seconds that a successor takes at most to start or to be given up, and some more."""
ALONE: Final = {"predecessor": False, "sessions_left": None}


def upgrade_pages(upgrades: Upgrades | None, config: Config) -> list[DescribedRoute]:
    """Return GET and POST /upgrade; ``config`` tells why there is nobody who does it."""

    async def look(_: Request) -> Response:
        return JSONResponse(
            {"version": 1, "pid": os.getpid(), **(ALONE if upgrades is None else await upgrades.look())}
        )

    async def begin(request: Request) -> Response:
        if upgrades is None:
            return _no_successor(config)
        request.scope[PATIENCE] = LONGEST_START
        try:
            return JSONResponse({"version": 1, **await upgrades.upgrade()})
        except GatewayError as error:
            return failed(409, "NOT_UPGRADED", error, "the gateway goes on as it was")

    async def begin_or_look(request: Request) -> Response:
        return await (begin if request.method == "POST" else look)(request)

    return [DescribedRoute("/upgrade", begin_or_look, LOOK, UPGRADE)]


def _no_successor(config: Config) -> Response:
    if config.cluster.url is not None:
        why = "a node of a cluster needs none, as its sessions go to other nodes"
        return failed(409, "CLUSTERED", why, "restart the nodes one after the other: quicgw drain --wait, then serve")
    return failed(409, "EMBEDDED", "only quicgw serve on Linux can have a successor", "restart that program")
