"""The page for people at ``/``: files without any data, which read what they show from the other pages.

So they are given to who shows no token, too (``guard.WEB``): the page has to be there to ask for one. Nothing in it
may come from elsewhere, and nothing may run or be styled but by its own files.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import Route

from quicgw_fast.control.guard import WEB

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

FOLDER: Final = Path(__file__).parent.parent / "web"
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'none'",
    )
)
INDEX: Final = "index.html"
KINDS: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""What the files are, said here: the system's own list may know no JavaScript, and then no browser would run it."""


def web_pages() -> list[Route]:
    """Return ``/`` and the files below ``/web/``.

    They are read once: after an upgrade beneath a running gateway all of them are still of one release.
    """
    files = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.is_file()}
    return [Route("/" if name == INDEX else WEB + name, _file(name, content)) for name, content in files.items()]


def _file(name: str, content: bytes) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers with a file, or with 304 to who has it."""
    kind = KINDS[Path(name).suffix]
    headers = {
        "etag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        "cache-control": "no-cache",
        "content-security-policy": POLICY,
        "referrer-policy": "no-referrer",
    }

    async def serve(request: Request) -> Response:
        known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if headers["etag"] in known or "*" in known:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=kind)

    return serve
