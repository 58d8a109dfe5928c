"""Have the gateway stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NotRequired

from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from quicgw_fast.control.errors import failed
from quicgw_fast.control.pages.described import SHAPE, DescribedRoute, Operation
from quicgw_fast.control.pages.workers import of_workers

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


DRAIN: Final = Operation(
    "POST", "Stop as SIGTERM has it stop: answer what was accepted, send the clients away, and end", DrainAnswer,
    errors={409: "The gateway runs inside of another program, which alone ends it"},
)  # fmt: skip


def drain_pages(
    end: Callable[[], None] | None, at_most: Callable[[], float], admin_ports: Callable[[], Sequence[int]] = tuple
) -> list[DescribedRoute]:
    """Return POST /drain: ``end`` asks for what a first SIGTERM does, as often as it is called.

    None where nobody can be asked: 409. ``at_most`` is how many seconds that takes at most.
    ``admin_ports`` are those of all workers that end with it.
    """

    async def drain(_: Request) -> Response:
        if end is None:
            return failed(409, "EMBEDDED", "this gateway runs inside of another program", "end that program")
        end()
        return JSONResponse({"version": 1, "draining": True, "at_most": at_most(), **of_workers(admin_ports())})

    return [DescribedRoute("/drain", drain, DRAIN)]
