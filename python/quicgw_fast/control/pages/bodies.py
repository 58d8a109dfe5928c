"""What is sent to the admin pages: one JSON object, not too large, and what is wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.requests import Request

LONGEST: Final = 64 << 10
"""Bytes of a body."""


class BadBodyError(ValueError):
    """The body is no JSON object, or not one that means anything here; the text says what to send."""


async def read_object(request: Request) -> dict[str, Any]:
    """Read the body; BadBodyError when it is too large, or no JSON object."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LONGEST:
            raise BadBodyError(f"the body is over {LONGEST} bytes")
    try:
        found = json.loads(body)
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        # JSON can write it (RFC 8259 §8.2), and nothing else can: it is in no name, no address, no log line.
        raise BadBodyError("the body has half of a surrogate pair (\\ud800 to \\udfff alone), no character") from error
    except (ValueError, RecursionError) as error:
        raise BadBodyError(f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadBodyError("the body must be a JSON object")
    return found


def failed(status: int, code: str, message: object, hint: str) -> JSONResponse:
    """Say why something was not done, for programs (``code``) and people, and what to do about it."""
    return JSONResponse({"error": {"code": code, "message": str(message), "hint": hint}}, status)


def refused(why: object, status: int = 400) -> JSONResponse:
    """Say why something was not done."""
    return JSONResponse({"error": str(why)}, status)
