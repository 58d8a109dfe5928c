"""What came for an openid, did not begin here, and went on to another node: given again until it is confirmed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEPT: Final = 30.0
"""Seconds for which it is kept: the answer that had it may have been lost, and whoever asked asks again."""

_log = logging.getLogger("quicgw.cluster")


class _Given(NamedTuple):
    held: int
    """The claim by which it was here."""
    parcels: tuple[bytes, ...]
    until: float


class GivenAway:
    """All of it, by openid."""

    def __init__(self) -> None:
        self._given: dict[str, _Given] = {}

    def __iter__(self) -> Iterator[bytes]:
        for given in self._given.values():
            yield from given.parcels

    def give(self, openid: str, held: int, parcels: Sequence[bytes], now: float) -> list[bytes]:
        """What was here by the claim ``held``: these, or what was given of that claim before."""
        if parcels:
            self._given[openid] = _Given(held, tuple(parcels), now + KEPT)
        given = self._given.get(openid)
        return list(given.parcels) if given is not None and given.held == held else []

    def confirmed(self, openid: str, held: int) -> None:
        """It is in good hands."""
        given = self._given.get(openid)
        if given is not None and given.held == held:
            del self._given[openid]

    def drop(self, openid: str) -> None:
        """Nobody can take it any more: it is lost, unless it was taken and that was not told."""
        given = self._given.pop(openid, None)
        if given is not None:
            _log.warning("sessions not taken", extra={"openid": openid, "sessions": len(given.parcels)})

    def tend(self, now: float) -> None:
        """Drop what nobody took in time."""
        for openid in [openid for openid, given in self._given.items() if given.until < now]:
            self.drop(openid)
