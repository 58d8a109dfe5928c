"""Errors of the admin port: of every page, of the guard and of the server, all are one shape."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

CODES: Final = {413: "TOO_LARGE", 404: "NO_SUCH_PAGE", 405: "METHOD_NOT_ALLOWED"}
"""Of what the server refuses before a page is asked."""
DESCRIPTION: Final = "/openapi.json"
_LONGEST: Final = 128
"""Characters of a path that a message repeats."""


def failed(
    status: int, code: str, message: object, hint: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Say why something was not done, for programs (``code``) and people, and what to do about it."""
    return JSONResponse({"error": {"code": code, "message": str(message), "hint": hint}}, status, headers)


def unserved(pages: Sequence[Route]) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return what answers where no page is asked: there is none, it has no such method, or the body is too large."""
    paths = [page.path for page in pages]

    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        path, headers = request.url.path[:_LONGEST], dict(error.headers or {})
        told, hint = str(error.detail), ""
        if error.status_code == 404:
            told, hint = f"there is no page {path}", _other_page(path, paths)
        elif error.status_code == 405:
            headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
            told, hint = f"{path} does not take {request.method}", f"use {headers['Allow'].replace(', ', ' or ')}"
        elif error.status_code == 413:
            hint = "send less, in several requests if need be"
        return failed(error.status_code, CODES[error.status_code], told, hint, headers)

    return answer


def _other_page(path: str, paths: Sequence[str]) -> str:
    near = difflib.get_close_matches(path.lower().rstrip("/"), paths, 1)
    all_of_them = f"GET {DESCRIPTION} lists all pages"
    return f"did you mean {near[0]}? {all_of_them}" if near else all_of_them
