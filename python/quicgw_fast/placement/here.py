"""One gateway alone: every openid lives here."""

from __future__ import annotations

from typing import Final

from quicgw_fast.placement.seam import HERE, UNCOUNTED, Attempt, Place

NAME: Final = "here"


class Here:
    """Knows no other place, so every answer is there at once."""

    def claim(self, openid: str, session_id: str, attempt: Attempt = UNCOUNTED) -> Place:
        """Grant it."""
        del openid, session_id, attempt
        return HERE

    def find(self, target_type: str, target_id: str) -> Place:
        """Here: also what an openid that is away gets is kept here."""
        del target_type, target_id
        return HERE

    def settled(self, openid: str, session_id: str, epoch: str, gid: str) -> None:
        """Nobody asks."""

    def released(self, openid: str, session_id: str) -> None:
        """Nobody asks."""


make_placement = Here
