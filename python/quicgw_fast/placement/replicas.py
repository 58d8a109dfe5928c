"""The seam of the replicas: where a session is written down in case that its gateway dies (``cluster.retain``).

A replica is bytes that grow: a record is put behind those before it, or takes the place of all of them. A gateway
writes for openids that were granted to it, and nothing any more for one that was taken away. So what the next gateway
reads is what this one has seen written, to the last record.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence


class ReplicaRecord(NamedTuple):
    """What is to be written of one session."""

    openid: str
    data: bytes
    behind: int
    """Bytes of its replica that are there already; 0 for a record that takes the place of all of them."""


class Written(Enum):
    """What became of one."""

    DONE = "done"
    """It is there, and whoever takes over will find it."""
    AGAIN = "again"
    """What it was to go behind is not there as it was: the session has to be written as a whole."""
    LATER = "later"
    """Nobody could be asked, or it is not sure yet that the openid is here still."""
    VOID = "void"
    """Somebody else has the openid."""


class ReplicaKeeper(Protocol):
    """Who keeps the replicas of this gateway's sessions."""

    @property
    def ready(self) -> bool:
        """Whether anything can be written now, as far as is known."""

    @property
    def life(self) -> str:
        """Of the data in which is written: what was written in another one is good for nothing."""

    def write(self, records: Sequence[ReplicaRecord]) -> asyncio.Future[list[Written]]:
        """Write records of different openids, and say of each what became of it. The future raises nothing."""

    def refresh(self, openids: Sequence[str]) -> None:
        """See to it that replicas stay for which there is nothing new to be written."""
