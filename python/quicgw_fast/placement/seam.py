"""The seam of the placement: at which gateway does an openid live?

A gateway that is alone knows: here. Where there are several, a maker finds it out from somebody else, so every question
may take time. It is asked at two moments, and never on the way of a request:

* START claims its openid, once the client is authenticated and before anything of an earlier session is touched. A
  claim that is not granted refuses the START and changes nothing. Meanwhile the client's messages wait behind it.
* A push to somebody who has no session at this gateway asks where that is, before it is kept offline here.

And it is told two things, as others may ask it meanwhile: which session came of a claim, and that a session has ended.

What is here needs no question: a session, and what a session that ends still owes and the offline store is to keep,
belong to the place that its START claimed. All calls are made on the event loop's thread, and none of them blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class PlaceTrouble(Enum):
    """Why an openid does not live here, and whether another try may help."""

    ELSEWHERE = "elsewhere"
    """It lives at another node."""
    COMING = "MOVED"
    """It is on its way here."""
    SUPERSEDED = "superseded"
    """A newer START came to another node."""
    DIRECTORY_UNAVAILABLE = "DIRECTORY_UNAVAILABLE"
    """Nobody could be asked, or not yet."""
    NODE_UNREACHABLE = "NODE_UNREACHABLE"
    """The node that has it does not answer."""


class LostSession(NamedTuple):
    """A session of the openid that died with its node."""

    session_id: str
    """Empty if it had not been told to anybody."""
    epoch: str
    node: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where an openid lives, or that nobody can say it."""

    here: bool
    detail: str = ""
    """What whoever asked is told when it is not here: where to go, or why it is not known."""
    trouble: PlaceTrouble | None = None
    nodes: tuple[str, ...] = ()
    """The other nodes that have it."""
    retry_after: float | None = None
    """Seconds after which another try may help."""
    arrivals: tuple[bytes, ...] = ()
    """Sessions that came here for a claim: told again with each answer until one is settled."""
    lost: tuple[LostSession, ...] = ()
    """Sessions that nobody can bring here any more; told likewise."""


HERE: Final = Place(here=True)

Answer: TypeAlias = "Place | asyncio.Future[Place]"
"""There at once, and then it costs no turn of the loop; or a future of it, made for this question alone.

What cannot be found out is a ``Place`` as well, so the future raises only for a bug; it is done in a time that whoever
pushes can wait for. Who asked may cancel it, or forget it.
"""


class Attempt(NamedTuple):
    """By which a START that was under way for long is told from a newer one of its client (protocol §2)."""

    epoch: str = ""
    number: int = 0
    """0 from clients that do not count: theirs are not compared."""


UNCOUNTED: Final = Attempt()


class Placement(Protocol):
    """Knows where openids live."""

    def claim(self, openid: str, session_id: str, attempt: Attempt = UNCOUNTED) -> Answer:
        """Have the openid live here: a client that is authenticated as it has come here.

        ``session_id`` is the session that it would go on with, or empty. The newest claim counts, also where an earlier
        one still waits for its answer; but where an ``attempt`` is not newer than what its session has seen elsewhere,
        that stays there. Raises nothing.
        """

    def find(self, target_type: str, target_id: str) -> Answer:
        """Say where an ``openid``, a ``session`` or a ``gid`` lives; here as well when it lives nowhere.

        Changes and raises nothing.
        """

    def settled(self, openid: str, session_id: str, epoch: str, gid: str) -> None:
        """A session goes on here by a claim, or has another gid (or "") than before. Raises nothing."""

    def released(self, openid: str, session_id: str) -> None:
        """A session has ended here. Raises nothing."""


class PlacementMaker(Protocol):
    """The module of one maker, as ``makers.load`` returns it."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of the module
        """Which maker it is."""

    @property
    def make_placement(self) -> Callable[[], Placement]:
        """Make the placement of one gateway."""
