"""What a gateway says of itself, asked at its admin address, and whether it says anything at all."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from quicgw_fast.cli.asking import NotLetIn
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from quicgw_fast.cli.asking import AdminPages

DOCUMENTS: Final = ("performance", "latency", "upstreams", "overload")
"""Pages of the admin address that make one reading."""
PAGE: Final = 100
"""Sessions of one list."""


@dataclass(frozen=True, slots=True)
class GatewayReading:
    """One moment of one gateway: its documents by their names, as the admin pages give them."""

    at: float
    """Seconds since 1970."""
    documents: dict[str, dict[str, Any]]

    def __getitem__(self, name: str) -> dict[str, Any]:
        return self.documents[name]


class GatewayReader:
    """Asks one gateway. Every call waits for the answer; StartupError says why there is none."""

    def __init__(self, pages: AdminPages) -> None:
        self.address = pages.address
        self._pages = pages

    def read(self) -> GatewayReading:
        """Ask for everything about the gateway as a whole."""
        return GatewayReading(time.time(), {name: self._pages.get(f"/{name}") for name in DOCUMENTS})

    def sessions(self, words: str) -> dict[str, Any]:
        """Ask for the first sessions that a search finds; ``gid:7`` among its words asks for that gid."""
        return dict(self._pages.get(f"/sessions?{urlencode({'limit': PAGE, 'scope': 'node', **search(words)})}"))

    def session(self, session_id: str) -> dict[str, Any]:
        """Ask for one session and what its flight recorder has."""
        return dict(self._pages.get(f"/sessions/{quote(session_id, safe='')}"))


def search(words: str) -> dict[str, str]:
    """Return what the list of sessions is asked for: single fields as ``gid:7``, and the other words in any field."""
    asked, rest = {}, []
    for word in words.split():
        field, colon, value = word.partition(":")
        if colon and value and field in {"openid", "gid", "address", "state"}:
            asked[field] = value
        else:
            rest.append(word)
    return asked | ({"q": " ".join(rest)} if rest else {})


class Watched:
    """A gateway that is looked at: the last reading, and what is wrong since."""

    def __init__(self, reader: GatewayReader) -> None:
        self.reader = reader
        self.reading: GatewayReading | None = None
        self.trouble: str | None = None
        """Why the last question has no answer; None while it answers."""
        self.word = "down"
        """What it is while there is trouble."""

    @property
    def name(self) -> str:
        """Where it is."""
        return self.reader.address

    def look(self) -> None:
        """Ask once. What there was stays, for one that does not answer any more."""
        try:
            self.reading = self.reader.read()
        except StartupError as error:
            self.trouble = str(error)
            self.word = "there, but refuses" if isinstance(error, NotLetIn) else "down"
        else:
            self.trouble = None

    def report(self) -> dict[str, object]:
        """What a script is told."""
        if self.trouble is not None or self.reading is None:
            return {"admin": self.name, "up": False, "error": self.trouble}
        return {"admin": self.name, "up": True, "at": self.reading.at, **self.reading.documents}
