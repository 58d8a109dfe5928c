"""Pages that fail: whoever asked hears of it, and the log once, however often they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from quicgw_fast.control.errors import failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Failures:
    """Stands between the pages and the server: what a page raises goes no further, as that would log all of it."""

    def __init__(self, app: ASGIApp, note: Callable[[str, Exception], None]) -> None:
        """``note`` is told of each exception, with the name of the page."""
        self._app = app
        self._note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the page (ASGI)."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except ClientDisconnect:  # nobody is there to be answered, and nothing is wrong here
            return
        except Exception as error:
            # The page, not what was written: that could be another one each time.
            self._note(getattr(scope.get("route"), "path", "?"), error)
            if not begun:
                told = failed(500, "PAGE_FAILED", "the page failed", "the log of the gateway says why")
                await told(scope, receive, send)
