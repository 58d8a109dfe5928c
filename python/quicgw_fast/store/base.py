"""What a store promises, and the one rule by which all of them refuse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from quicgw_fast.codes import StoreCode
from quicgw_fast.errors import GatewayError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Sequence

    from quicgw_fast.config import OfflineConfig


RECORD_COST: Final = 128
"""Bytes that keeping a message costs on top of its body and its openid. Without them a flood of tiny messages
would take many times the memory that the bound promises."""


class StoreFailed(GatewayError):
    """The store could not do it (disk error, or closed); nothing was changed."""


class Terms(NamedTuple):
    """On which terms a message is kept."""

    expires_at: float = math.inf
    """Wall seconds from which on it is not given out any more, however young it is."""
    key: str = ""
    """A newer message of the openid with the same supersede key takes its place, as the newest; empty for none."""


NO_TERMS: Final = Terms()
"""Those of an ordinary message."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message that waits: ``body`` as it was given, ``stored_at`` in wall seconds. Ids only ever grow."""

    id: int
    body: bytes
    stored_at: float
    expires_at: float = math.inf
    """As in its ``Terms``."""
    key: str = ""
    """Likewise."""


@dataclass(frozen=True, slots=True)
class PutResult:
    """Stored, or refused."""

    id: int
    """0 if refused."""
    error_code: StoreCode | None = None
    """None if stored."""
    message: str = ""
    """The same for people."""
    replaced: int = 0
    """The id of the older message with the same supersede key whose place it took; 0 where there was none."""

    @property
    def stored(self) -> bool:
        """Whether the message is kept."""
        return self.id > 0


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What is there now, and what happened since the store was opened."""

    messages: int = 0
    bytes: int = 0
    """As ``max_total_bytes`` counts them."""
    stored: int = 0
    refused: int = 0
    expired: int = 0
    """By their age, or by their own terms."""
    deleted: int = 0
    superseded: int = 0

    def plus(
        self,
        *,
        messages: int = 0,
        bytes: int = 0,  # noqa: A002 - the names of the fields
        stored: int = 0,
        refused: int = 0,
        expired: int = 0,
        deleted: int = 0,
        superseded: int = 0,
    ) -> StoreStats:
        """Return the figures after these changes."""
        return StoreStats(
            self.messages + messages,
            self.bytes + bytes,
            self.stored + stored,
            self.refused + refused,
            self.expired + expired,
            self.deleted + deleted,
            self.superseded + superseded,
        )


class OfflineStore(Protocol):
    """Messages for openids that are away. Used from one event loop, which it never blocks.

    What is asked for is done in the order in which it was asked: a :meth:`load` sees every put that was begun before
    it. So whoever hands something in needs no queue of its own to keep the order of an openid's messages.
    """

    async def put(self, openid: str, body: bytes, wall: float, terms: Terms = NO_TERMS) -> PutResult:
        """Keep ``body`` for ``openid``; ``wall`` is now, in wall-clock seconds, as in every method here.

        Returns only when the message is as safe as this store makes it. Never raises for a full or broken
        store: that is a refusal, whose code goes to the sender.
        """
        ...

    def put_all(
        self, openid: str, bodies: Sequence[bytes], wall: float, terms: Sequence[Terms] = ()
    ) -> asyncio.Future[list[PutResult]]:
        """Keep these for ``openid`` in their order; each is stored or refused as by :meth:`put`, which tells why.

        ``terms`` are those of each of them, or none where all are ordinary.

        Begun before it returns; a future, so that who asks sees whether it is decided already. It never raises.
        """
        ...

    async def load(self, openid: str, wall: float) -> list[Stored]:
        """Return what waits for ``openid`` in the order of arrival; it stays until :meth:`delete`.

        Messages over their age are removed and counted instead, or at least left out while nothing can be written.
        Raises StoreFailed.
        """
        ...

    async def delete(self, openid: str, ids: Iterable[int]) -> int:
        """Forget these messages of ``openid``; return how many there were.

        Unknown ids are not an error. Raises StoreFailed.
        """
        ...

    async def sweep(self, wall: float) -> int:
        """Remove every message over its age; return how many. Raises StoreFailed."""
        ...

    def stats(self) -> StoreStats:
        """Return the figures now, without waiting."""
        ...

    async def close(self) -> None:
        """Finish what was begun, and let go of the file. May be called twice, and cancelled when it takes too long."""
        ...


def cost(openid: str, body: bytes) -> int:
    """Return what a message takes of ``max_total_bytes``; ValueError for an openid that cannot be encoded.

    A supersede key is short, and there is one message for each: it is in what a record costs.
    """
    return len(body) + len(openid.encode()) + RECORD_COST


def with_terms(bodies: Sequence[bytes], terms: Sequence[Terms]) -> list[tuple[bytes, Terms]]:
    """Return each body with its terms."""
    return list(zip(bodies, terms or [NO_TERMS] * len(bodies), strict=True))


def refusal_of(settings: OfflineConfig, openid: str, body: bytes) -> PutResult | None:
    """Return the refusal of a message that fits into no empty store, else ``None``."""
    if len(body) > settings.max_bytes:
        what = f"the message has {len(body)} bytes, {settings.max_bytes} are kept for an openid"
    elif cost(openid, body) > settings.max_total_bytes:
        what = f"the message costs {cost(openid, body)} bytes, {settings.max_total_bytes} are kept in all"
    else:
        return None
    return PutResult(0, StoreCode.TOO_LARGE, what)


def crowded(settings: OfflineConfig, body: bytes, messages: int, size: int) -> PutResult | None:
    """Return the refusal if an openid that has ``messages`` of ``size`` bytes cannot have ``body`` too."""
    if messages >= settings.max_messages:
        return PutResult(0, StoreCode.FULL, f"{messages} messages wait for this openid")
    if size + len(body) > settings.max_bytes:
        return PutResult(0, StoreCode.FULL, f"{size} bytes wait for this openid")
    return None


def exhausted(settings: OfflineConfig, openid: str, body: bytes, total: int) -> PutResult | None:
    """Return the refusal if a store that holds ``total`` bytes cannot hold this message too."""
    if total + cost(openid, body) > settings.max_total_bytes:
        return PutResult(0, StoreCode.FULL, f"the store holds {total} bytes for all openids")
    return None


def oldest_kept(settings: OfflineConfig, wall: float) -> float:
    """Return the ``stored_at`` at which, and before which, a message is too old at ``wall``."""
    return wall - settings.max_age


def over(settings: OfflineConfig, message: Stored, wall: float) -> bool:
    """Whether a message is not to be given out any more: too old, or by its own terms."""
    return message.stored_at <= oldest_kept(settings, wall) or message.expires_at <= wall
