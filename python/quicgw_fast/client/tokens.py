"""Where the token of each START comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.client.checks import LONGEST, text

if TYPE_CHECKING:
    from quicgw_fast.client.home import Home
    from quicgw_fast.client.options import TokenSource

REFRESH_AT = 0.8
"""Part of a token's life after which a fresh one is fetched."""
MIN_REFRESH_DELAY = 0.2
"""Seconds between two automatic refreshes at least."""


class ClientTokens:
    """A fixed token, or a callable that makes them."""

    def __init__(self, source: TokenSource, home: Home) -> None:
        self._source = source
        self._home = home

    @property
    def renewable(self) -> bool:
        """A fresh token can be had without the application's help."""
        return callable(self._source)

    async def fresh(self) -> str:
        """Return the token to use now. Whatever the application's callable raises comes out of here."""
        if not callable(self._source):
            return self._source
        token = await self._home.ask(self._source)
        return text("what the token source returns", token, empty=True)

    def replace(self, token: str) -> str | None:
        """Use ``token`` from now on and return the one before; a callable stays, then None is returned."""
        if callable(self._source):
            return None
        old, self._source = self._source, token
        return old

    def restore(self, refused: str, old: str | None) -> None:
        """Go back to ``old`` unless ``refused`` has been replaced meanwhile."""
        if old is not None and self._source == refused:
            self._source = old


def refresh_delay(expires_in: float) -> float:
    """Seconds after which a token that lives ``expires_in`` seconds more is refreshed."""
    return min(max(MIN_REFRESH_DELAY, expires_in * REFRESH_AT), LONGEST)
