"""What the directory says, as the rest of the room knows it."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class ClaimHolder(NamedTuple):
    """Who has an openid, or one session of it, by a claim."""

    node: str
    generation: int
    session_id: str
    """Empty for a claim whose session has not begun."""
    epoch: str
    """Likewise."""
    alive: bool
    """Whether the node's lease was there in the moment in which the directory said this."""


class Granted(NamedTuple):
    """A claim is written down; whoever claims later will find it."""

    generation: int
    holder: ClaimHolder | None
    """Who has to give it up first; None where the claimer may act at once."""


class Refused(Enum):
    """The directory did not do what it was asked for."""

    ERA = "era"
    """It is not the one, or not with the data, that this node's lease is from: renew first."""
    EARLY = "early"
    """Its data is so young that others may act on claims that it does not know."""
    NEWER = "newer"
    """A newer claim has come."""
    GONE = "gone"
    """The claim is not there any more: somebody newer has it, or the directory forgot it."""
    ALIVE = "alive"
    """Who counted as dead has renewed its lease meanwhile."""


class NodeRecord(NamedTuple):
    """A node as the others know it."""

    name: str
    """``node_id`` and, behind a dot, which start of it: a node that starts anew is another one."""
    about: str
    """What it says of itself, as JSON."""


class Renewed(NamedTuple):
    """What came of a renewal."""

    was_there: bool
    era: str
    nodes: tuple[NodeRecord, ...]
    """All whose lease is there, this one included."""


class Again(Enum):
    """How a claim is confirmed."""

    AGAIN = "again"
    """The data is new: it is written down, unless somebody newer has done so."""
    CHECK = "check"
    """The data is that in which it was written down: it has to be there still."""
    STRICT = "strict"
    """The data is new, and the claim was not good any more when that began: it has to be there, and the newest."""


class Swept(NamedTuple):
    """What came of one slice of a walk through the directory."""

    cursor: int
    """Where the walk goes on; 0: it is over."""
    forgotten: int
    """Claims that were removed."""
    dead: tuple[str, ...]
    """Nodes without a lease that claims were found of, also of those that are removed now."""


class Asserted(NamedTuple):
    """What came of one claim that was written down again, or checked."""

    holds: bool
    waits: bool
    """Whether a newer claim is there of a living node that has not said yet whether it still has it."""
    lower: ClaimHolder | None
    """Somebody who has the same by a lower generation, and has to give it up."""
