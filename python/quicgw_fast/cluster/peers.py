"""What this room asks of other nodes, of whoever can reach them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quicgw_fast.cluster.lease import Vouched
    from quicgw_fast.placement import Attempt


class PeerUnreachable(Exception):
    """A node did not answer in time, or cannot be connected to; the message says why."""

    def __init__(self, why: str, *, surely: bool = False, ended: bool = False) -> None:
        """``surely`` says that it was not asked at all; else it may have done what it was asked for.

        ``ended`` says that its machine answers, and nobody listens there any more.
        """
        super().__init__(why)
        self.surely = surely
        self.ended = ended


class OutdatedAttempt(Exception):
    """The START for which something was asked came late: its client has come to the node that was asked since."""


class Peers(Protocol):
    """The nodes, this one included, as it may be told to have from itself what it gave up and nobody took.

    Each call ends in a time that a START can wait for, and raises PeerUnreachable where there is no answer.
    """

    async def fetch(
        self, node: str, openid: str, held: int, generation: int, session_ids: Sequence[str], attempt: Attempt
    ) -> list[bytes]:
        """Have a node give up what it has of an openid by its claim ``held``, to the newer claim of ``generation``.

        Returns the sessions, or of them those that are named; nothing where there are none by that claim. Asked again
        by the same or a newer claim it gives the same, until that is confirmed, or until the node has the openid by
        another claim: what it gave away for an older one is an old state then, and must not come back. Raises
        OutdatedAttempt, and nothing has happened, where the node has seen that or a newer ``attempt`` of the client.
        """

    async def confirm(self, node: str, openid: str, held: int) -> None:
        """Say that what was fetched of its claim ``held`` is in good hands, and can be forgotten there."""

    async def vouch(self, node: str, era: str) -> Vouched:
        """Ask a node to vouch for this one, which cannot reach the directory of ``era`` (``Membership.vouch``)."""


class Alone:
    """Nobody can be reached: for a node that has no way to the others."""

    async def fetch(
        self, node: str, openid: str, held: int, generation: int, session_ids: Sequence[str], attempt: Attempt
    ) -> list[bytes]:
        """See ``Peers``."""
        del openid, held, generation, session_ids, attempt
        raise PeerUnreachable(f"this node has no way to {node}")

    async def confirm(self, node: str, openid: str, held: int) -> None:
        """See ``Peers``."""
        del openid, held
        raise PeerUnreachable(f"this node has no way to {node}")

    async def vouch(self, node: str, era: str) -> Vouched:
        """See ``Peers``."""
        del era
        raise PeerUnreachable(f"this node has no way to {node}")
