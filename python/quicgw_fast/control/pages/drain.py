"""Have the gateway stop, or another node of its cluster, or all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NotRequired, Protocol

from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from quicgw_fast.control.errors import failed
from quicgw_fast.control.pages.cluster import alone
from quicgw_fast.control.pages.described import SHAPE, DescribedRoute, Operation, Parameter
from quicgw_fast.control.pages.workers import of_workers
from quicgw_fast.errors import NoSuchNode, SeveralNodes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request


class DrainAnswer(TypedDict):
    """What comes now."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    version: int
    """Of this shape: 1."""
    draining: bool
    """True."""
    at_most: float
    """Seconds after which the gateway has surely ended: ``drain.delay`` and ``processor.drain_timeout``."""
    admin_ports: NotRequired[list[int]]
    """Those of all workers, which all drain; absent where there is one process."""
    nodes: NotRequired[list[str]]
    """Those that drain, where one was named."""
    unreached_nodes: NotRequired[list[str]]
    """Those that do not answer, likewise."""


DRAIN: Final = Operation(
    "POST", "Stop as SIGTERM has it stop: answer what was accepted, send the clients away, and end", DrainAnswer,
    parameters=(
        Parameter("node", "Which node: its name, or its `node_id` where that is its alone; `*` for all", example="*"),
    ),
    errors={404: "There is no such node, or the gateway is alone",
    409: "The gateway runs inside of another program, which alone ends it; or several nodes are called so",
    503: "The node does not answer"},
)  # fmt: skip


class Drained(Protocol):
    """What came of it that nodes were to stop."""

    @property
    def nodes(self) -> list[str]:
        """Those that do."""

    @property
    def at_most(self) -> float:
        """Seconds that it takes, for the one that takes longest."""

    @property
    def unreached(self) -> list[str]:
        """Those that do not answer."""


class Drains(Protocol):
    """Who can have other nodes stop."""

    async def drain(self, named: str) -> Drained:
        """Have a node stop, or all (``*``); raises NoSuchNode and SeveralNodes."""


def drain_pages(
    end: Callable[[], None] | None,
    at_most: Callable[[], float],
    admin_ports: Callable[[], Sequence[int]] = tuple,
    of_all: Drains | None = None,
) -> list[DescribedRoute]:
    """Return POST /drain: ``end`` asks for what a first SIGTERM does, as often as it is called.

    None where nobody can be asked: 409. ``at_most`` is how many seconds that takes at most.
    ``admin_ports`` are those of all workers that end with it. ``of_all`` is None for a gateway that is alone.
    """

    async def drain(request: Request) -> Response:
        named = request.query_params.get("node")
        if named is not None:
            return alone() if of_all is None else await _drained(of_all, named)
        if end is None:
            return failed(409, "EMBEDDED", "this gateway runs inside of another program", "end that program")
        end()
        return JSONResponse({"version": 1, "draining": True, "at_most": at_most(), **of_workers(admin_ports())})

    return [DescribedRoute("/drain", drain, DRAIN)]


async def _drained(of_all: Drains, named: str) -> Response:
    try:
        drained = await of_all.drain(named)
    except NoSuchNode as error:
        return failed(404, "NOT_FOUND", error, "quicgw cluster status lists them (GET /cluster)")
    except SeveralNodes as error:
        return failed(409, "SEVERAL", error, "write the full name of one")
    if not drained.nodes and drained.unreached:
        silent = ", ".join(drained.unreached)
        return failed(503, "NODE_UNREACHABLE", f"no answer from {silent}", "end it at its machine, with SIGTERM")
    if not drained.nodes:
        return failed(409, "EMBEDDED", "that gateway runs inside of another program", "end that program")
    nodes = {"nodes": drained.nodes, "unreached_nodes": drained.unreached}
    return JSONResponse({"version": 1, "draining": True, "at_most": drained.at_most, **nodes})
