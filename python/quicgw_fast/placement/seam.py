"""The seam of the placement: at which gateway does an openid live?

A gateway that is alone knows: here. Where there are several, a maker finds it out from somebody else, so every question
may take time. It is asked at two moments, and never on the way of a request:

* START claims its openid, once the client is authenticated and before anything of an earlier session is touched. A
  claim that is not granted refuses the START and changes nothing. Meanwhile the client's messages wait behind it.
* A push to an openid that has no session at this gateway asks where it lives, before the push is kept offline here.

What is here needs no question: a session, and what a session that ends still owes and the offline store is to keep,
belong to the place that its START claimed. All calls are made on the event loop's thread, and none of them blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Place:
    """Where an openid lives, or that nobody can say it."""

    here: bool
    detail: str = ""
    """What whoever asked is told when it is not here: where to go, or why it is not known."""


HERE: Final = Place(here=True)

Answer: TypeAlias = "Place | asyncio.Future[Place]"
"""There at once, and then it costs no turn of the loop; or a future of it, made for this question alone.

What cannot be found out is a ``Place`` as well, so the future raises only for a bug; it is done in a time that whoever
pushes can wait for. Who asked may cancel it, or forget it.
"""


class Placement(Protocol):
    """Knows where openids live."""

    def claim(self, openid: str) -> Answer:
        """Have the openid live here: a client that is authenticated as it has come here.

        The newest claim counts, also where an earlier one still waits for its answer. Raises nothing.
        """

    def find(self, openid: str) -> Answer:
        """Say where the openid lives; here as well when it lives nowhere. Changes and raises nothing."""


class PlacementMaker(Protocol):
    """The module of one maker, as ``makers.load`` returns it."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of the module
        """Which maker it is."""

    @property
    def make_placement(self) -> Callable[[], Placement]:
        """Make the placement of one gateway."""
