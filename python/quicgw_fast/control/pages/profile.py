"""What the process is doing, as a flame graph."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response

from quicgw_fast.control.errors import failed
from quicgw_fast.control.http import PATIENCE
from quicgw_fast.control.pages.described import JSON, TEXT, DescribedRoute, Operation, Parameter
from quicgw_fast.control.pages.queries import BadQueryError, decimal
from quicgw_fast.observe.flame import collapsed, flame_graph, speedscope
from quicgw_fast.observe.profile import Profile, sample

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request

SVG: Final = "image/svg+xml"
MEDIA: Final = {"svg": SVG, "collapsed": TEXT, "speedscope": JSON}
FORMATS: Final = tuple(MEDIA)
LONGEST: Final = 60.0
MOST: Final = 1000.0
_CSP: Final = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}

SHOW: Final = Operation(
    "GET", "A sampling profile of the event loop's thread; one at a time", str, media=(SVG, TEXT, JSON),
    parameters=(
        Parameter(
            "seconds", "How long is looked",
            {"type": "number", "minimum": 0.1, "maximum": LONGEST, "default": 5}, "0.1",
        ),
        Parameter("hz", "Looks a second", {"type": "number", "minimum": 1, "maximum": MOST, "default": 100}, "50"),
        Parameter(
            "format", "A flame graph, lines for flamegraph.pl, or JSON for speedscope.app",
            {"enum": [*FORMATS], "default": "svg"}, "svg",
        ),
    ),
    errors={400: "A parameter is not known, or out of its bounds", 409: "A profile is being made"},
)  # fmt: skip


def profile_pages() -> list[DescribedRoute]:
    """Return /profile."""
    busy = asyncio.Lock()

    async def show(request: Request) -> Response:
        seconds, hz, form = _query(request.query_params)
        if request.method == "HEAD":  # whoever wants no picture needs none made
            return Response(media_type=MEDIA[form])
        if busy.locked():
            return failed(409, "BUSY", "a profile is being made", f"ask again in {LONGEST:g} s at the latest")
        async with busy:
            request.scope[PATIENCE] = seconds
            profile = await _sampled(request, seconds, hz)
            return await asyncio.to_thread(_answer, profile, form)

    return [DescribedRoute("/profile", show, SHOW)]


async def _sampled(request: Request, seconds: float, hz: float) -> Profile:
    """Look for so long; ClientDisconnect when whoever asked goes away meanwhile: the next one is let in at once."""
    over = threading.Event()
    gone = asyncio.create_task(_gone(request), name="profile-caller")
    gone.add_done_callback(lambda _: over.set())
    try:
        profile = await asyncio.to_thread(sample, threading.get_ident(), seconds, hz, over)
        if gone.done():
            await gone
            raise ClientDisconnect
        return profile
    finally:
        over.set()  # a gateway that stops does not wait for the rest of it
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _query(given: QueryParams) -> tuple[float, float, str]:
    form = given.get("format", FORMATS[0])
    if form not in FORMATS:
        raise BadQueryError("format", form, f"write one of {', '.join(FORMATS)}")
    seconds = decimal(given, "seconds", 5.0, least=0.1, most=LONGEST)
    return seconds, decimal(given, "hz", 100.0, least=1.0, most=MOST), form


def _answer(profile: Profile, form: str) -> Response:
    match form:
        case "collapsed":
            return PlainTextResponse(collapsed(profile))
        case "speedscope":
            return JSONResponse(speedscope(profile))
        case _:
            return Response(flame_graph(profile), media_type=SVG, headers=_CSP)
