"""What this room asks of other nodes, of whoever can reach them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class PeerUnreachable(Exception):
    """A node did not answer in time, or cannot be connected to, and may have done what was asked; the message says why."""


class Peers(Protocol):
    """The other nodes. Each call ends in a time that a START can wait for, and raises PeerUnreachable for no answer."""

    async def fetch(self, node: str, openid: str, generation: int, session_ids: Sequence[str]) -> list[bytes]:
        """Have a node give up an openid, or the named sessions of it, to the claim of ``generation``; its sessions.

        Nothing where it has none any more. Asked again by the same or a newer generation it gives the same, until that
        is confirmed.
        """

    async def confirm(self, node: str, openid: str, generation: int) -> None:
        """Say that what was fetched is in good hands, and can be forgotten there."""

    async def vouch(self, node: str, era: str) -> bool:
        """Ask a node not to count this one as dead for one lease, though it cannot renew it (``lease.Promises``)."""


class Alone:
    """Nobody can be reached: for a node that has no way to the others."""

    async def fetch(self, node: str, openid: str, generation: int, session_ids: Sequence[str]) -> list[bytes]:
        """See ``Peers``."""
        del openid, generation, session_ids
        raise PeerUnreachable(f"this node has no way to {node}")

    async def confirm(self, node: str, openid: str, generation: int) -> None:
        """See ``Peers``."""
        del openid, generation
        raise PeerUnreachable(f"this node has no way to {node}")

    async def vouch(self, node: str, era: str) -> bool:
        """See ``Peers``."""
        del era
        raise PeerUnreachable(f"this node has no way to {node}")
