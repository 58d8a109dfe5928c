"""What an operator does to a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from quicgw_fast.control.pages.bodies import BadBodyError, read_object, refused

if TYPE_CHECKING:
    from starlette.requests import Request

LONGEST_REASON: Final = 128
"""Characters; it goes into the phrase of the close, which has to fit into one packet."""
KEYS: Final = ("openid", "session_id")
KNOWN: Final = frozenset({*KEYS, "reason"})


class Kick(Protocol):
    """How a session is ended by an operator."""

    def __call__(self, *, openid: str, session_id: str, reason: str) -> bool:
        """End the live session with that openid or id, one of which is empty; False when there is none."""


def session_pages(kick: Kick) -> list[Route]:
    """Return /sessions/kick: POST ends the session of ``openid`` or ``session_id`` for ``reason``; 404 without one."""

    async def end(request: Request) -> Response:
        try:
            wanted = _wanted(await read_object(request))
        except BadBodyError as error:
            return refused(error)
        if not kick(**wanted):
            return refused("there is no such session", 404)
        return JSONResponse({"kicked": 1})

    return [Route("/sessions/kick", end, methods=["POST"])]


def _wanted(body: dict[str, Any]) -> dict[str, str]:
    """Check what was sent; BadBodyError."""
    unknown = sorted(set(body) - KNOWN)
    if unknown:
        raise BadBodyError(f"unknown: {', '.join(unknown)[:64]}; known: {', '.join(sorted(KNOWN))}")
    if not all(isinstance(value, str) for value in body.values()):
        raise BadBodyError("every value must be a string")
    if sum(bool(body.get(key)) for key in KEYS) != 1:
        raise BadBodyError("exactly one of openid and session_id is needed")
    reason = body.get("reason", "")
    if len(reason) > LONGEST_REASON or not reason.isprintable() or not reason.isascii():
        raise BadBodyError(f"reason must be one line of at most {LONGEST_REASON} ASCII characters")
    return {"openid": body.get("openid", ""), "session_id": body.get("session_id", ""), "reason": reason}
