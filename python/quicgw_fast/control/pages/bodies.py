"""What is sent to the admin pages: one JSON object, and what is wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from quicgw_fast.control.errors import failed

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import JSONResponse

SAID_OF_ALL: Final = frozenset({"", "text/plain", "application/x-www-form-urlencoded"})
"""Media types that programs name unless they are told what they send: browsers, and ``curl -d``."""


class BadBodyError(ValueError):
    """The body is no JSON object, or not one that means anything here; the text says what is wrong."""

    status, code = 400, "BAD_BODY"

    def answer(self, hint: str) -> JSONResponse:
        """What is answered; ``hint`` says what to send."""
        return failed(self.status, self.code, self, hint)


class NoJsonError(BadBodyError):
    """The body says of itself that it is something else."""

    status, code = 415, "NOT_JSON"


async def read_object(request: Request) -> dict[str, Any]:
    """Read the body, which the guard has bounded; BadBodyError when it is no JSON object."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (media in SAID_OF_ALL or media == "application/json" or media.endswith("+json")):
        raise NoJsonError(f"the body is {media[:64]!r}, and must be application/json")
    body = await request.body()
    try:
        found = json.loads(body)
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        # JSON can write it (RFC 8259 §8.2), and nothing else can: it is in no name, no address, no log line.
        raise BadBodyError("the body has half of a surrogate pair (\\ud800 to \\udfff alone), no character") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadBodyError(f"the body is not JSON, {where}" if body else "there is no body") from error
    except (ValueError, RecursionError) as error:
        raise BadBodyError("the body is not JSON") from error
    if not isinstance(found, dict):
        raise BadBodyError("the body must be a JSON object")
    return found
