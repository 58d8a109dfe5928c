"""What the way down needs of whoever has messages written elsewhere before their clients get them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from quicgw_fast.ports import Recipient

if TYPE_CHECKING:
    from collections.abc import Collection

    from quicgw_fast.ports import Link

R_contra = TypeVar("R_contra", bound=Recipient, contravariant=True)


class Barrier(Protocol[R_contra]):
    """Knows what is written of whom."""

    def changed(self, to: R_contra, /) -> None:
        """Have what is new of ``to`` be written, and what waits for it be sent then."""

    def safe(self, to: R_contra, /) -> int:
        """Return the number up to which ``to`` may be given messages."""

    def link_of(self, to: R_contra, /) -> Link | None:
        """Return the connection to which they may go; None while they may not."""

    async def written(self, some: Collection[R_contra], /) -> list[bool]:
        """Wait until what has changed of these is written; False for each of which it will not be.

        Then somebody else has it by now, and whether what was taken for it went along nobody knows.
        """
