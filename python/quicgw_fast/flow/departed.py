"""Which sessions left for other gateways: those whose bytes were fetched and not confirmed, and those that are gone.

A departure is *open* from the export until the gateway that took it confirms. While it is, nothing but the bytes is
left of the session: here nobody may act for it, and whoever took it must not act for it before its confirmation was
accepted. So it is in one place at a time, and an answer that was lost on the way costs a second question. Each fetch
has the generation under which the openid was claimed; a higher one takes an open departure from a lower one, which then
is refused its confirmation.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicgw_fast.session import Session


@dataclass(slots=True)
class Departure:
    """One session that left."""

    session: Session
    """As it was here; the requests that still run know it by that."""
    state: bytes
    """What the other gateway is given; empty once that confirmed."""
    generation: int
    """Under which it was fetched last."""
    at: float
    """When that was, or when it was confirmed, in monotonic seconds."""
    held: int = 0
    """The claim by which it was here, where those that ask know of it."""

    @property
    def open(self) -> bool:
        """Whether nobody has confirmed it."""
        return bool(self.state)


class Departed:
    """All departures that still matter, the oldest first."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, Departure] = OrderedDict()
        self._by_name: dict[tuple[str, str], dict[str, Departure]] = {}
        """By target type and id, as pushes name it, and then by session id."""

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, departure: Departure) -> None:
        """Remember one, or that it was fetched or confirmed once more."""
        session = departure.session
        self._by_id[session.id] = departure
        self._by_id.move_to_end(session.id)
        for name in _names(session):
            self._by_name.setdefault(name, {})[session.id] = departure

    def get(self, session_id: str) -> Departure | None:
        """The departure of this session."""
        return self._by_id.get(session_id)

    def of(self, target_type: str, target_id: str) -> list[Departure]:
        """Those of whom a push to this target is for."""
        return list(self._by_name.get((target_type, target_id), {}).values())

    def of_openid(self, openid: str) -> list[Departure]:
        """The open departures of an openid."""
        return [each for each in self.of("openid", openid) if each.open]

    def knows(self, target_type: str, target_id: str) -> bool:
        """Whether a push to this target is for a session that left."""
        return (target_type, target_id) in self._by_name

    def forget(self, session_id: str) -> None:
        """The session is here again, or nobody will ask for it any more."""
        departure = self._by_id.pop(session_id, None)
        for name in () if departure is None else _names(departure.session):
            del self._by_name[name][session_id]
            if not self._by_name[name]:
                del self._by_name[name]

    def before(self, moment: float) -> list[Departure]:
        """Those that were fetched or confirmed before that moment."""
        found = []
        for departure in self._by_id.values():
            if departure.at > moment:
                break
            found.append(departure)
        return found

    @property
    def unconfirmed(self) -> int:
        """How many are open."""
        return len(self.open_openids())

    def open_openids(self) -> list[str]:
        """Of each that is open its openid."""
        return [departure.session.openid for departure in self._by_id.values() if departure.open]


def _names(session: Session) -> list[tuple[str, str]]:
    named = [("session", session.id), ("openid", session.openid), ("gid", session.gid)]
    return [name for name in named if name[1]]
