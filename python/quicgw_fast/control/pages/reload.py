"""Have the configuration read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response

from quicgw_fast.control.errors import failed
from quicgw_fast.control.pages.described import DescribedRoute, Operation
from quicgw_fast.control.pages.workers import of_workers
from quicgw_fast.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.requests import Request


RELOAD: Final = Operation(
    "POST", "Have this process read configuration, certificates and keys again; says what changed", dict,
    errors={409: "They cannot be used: nothing has changed"},
)  # fmt: skip
_ADVICE: Final = "quicgw checkconfig FILE names every mistake of a file, with its line"


def reload_pages(
    reload: Callable[[], Awaitable[Mapping[str, object]]], admin_ports: Callable[[], Sequence[int]] = tuple
) -> list[DescribedRoute]:
    """Return POST /reload: 200 with what ``reload`` returns, or 409 with the sentence of its GatewayError.

    It reaches one process: ``admin_ports`` are those of all workers, where whoever asks has to ask as well.
    """

    async def do_reload(_: Request) -> Response:
        try:
            return JSONResponse({**await reload(), **of_workers(admin_ports())})
        except GatewayError as error:
            return failed(409, "NOT_RELOADED", error, _ADVICE)

    return [DescribedRoute("/reload", do_reload, RELOAD)]
