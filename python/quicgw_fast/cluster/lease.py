"""What a node may still do: the rules of its lease. No clock, no directory: the time is an argument.

A node's lease is a key of the directory that passes by itself. While it is there nobody counts the node as dead, and
only who is counted as dead loses an openid without being asked. The node cannot see that key, so it reckons for itself
until when it is *surely* there: from before the renewal was sent, and a little less than was asked for, as two clocks
never run quite alike.

What was written down in the directory counts for as long as nobody could have changed it behind the node's back. That
is a *term*: the lease held without a gap, in one life (*era*) of the directory's data. A term ends when a renewal comes
too late, or finds the directory emptied or another one. The claims of the term before are good for as long as that
term's lease surely was, and each is good again once the directory has confirmed it in the new term.

A node that cannot reach the directory does not know whether the directory is gone or only its own way there is cut. So
it asks all others that it knows to *vouch* for it. One that has a directory renews the lease in its place. One that has
none, either, promises not to count it as dead for one more lease; if all promise, it may go on. If not, or if it knows
nobody, it is *suspended*: nothing is sent, numbered or answered until its claims were confirmed.

Nobody can ask a node to vouch that it does not know. Therefore whoever joins, or comes back after its lease had
passed, counts nobody as dead for a lease, in which all who can reach the directory come to be known again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

DRIFT: Final = 0.05
"""By what share of a lease the clocks of a node and of the directory may come apart within it."""


class NodeStanding(Enum):
    """What a node may do for the openids that it has claimed."""

    HELD = "held"
    """Everything: its lease surely holds."""
    VOUCHED = "vouched"
    """Everything for those that are here: the other nodes have promised to leave it alone."""
    SUSPENDED = "suspended"
    """Nothing."""


class Vouched(Enum):
    """What came of asking another node to vouch."""

    RENEWED = "renewed"
    """The lease was there, and holds for another length."""
    PROMISED = "promised"
    REFUSED = "refused"


@dataclass(slots=True)
class OwnLease:
    """The lease of this node; all times are its own monotonic seconds."""

    length: float
    """Seconds that a renewal is for."""
    era: str = ""
    """The life of the directory's data in which it holds; empty before the first renewal."""
    term: int = 0
    """Counts the terms; 0 before the first."""
    era_since: int = 0
    """The term with which the era began."""
    held_until: float = -math.inf
    vouched_until: float = -math.inf
    _ends: dict[int, float] = field(default_factory=dict)
    """Of the terms before that were not over when a new one began: until when their claims are good."""

    @property
    def surely(self) -> float:
        """Seconds for which one renewal, or promise, surely holds."""
        return self.length * (1 - DRIFT)

    def renewed(self, sent: float, now: float, era: str, *, was_there: bool) -> bool:
        """Take note of a renewal that was sent at ``sent``; whether a new term begins with it.

        ``was_there`` is whether the directory still had the lease when the renewal came.
        """
        begins = era != self.era or not was_there or now >= self.held_until
        if begins:
            ends = {**self._ends, self.term: max(self.held_until, self.vouched_until)}
            self._ends = {term: until for term, until in ends.items() if until > now}
            self.term += 1
            if era != self.era:
                self.era, self.era_since = era, self.term
            self.vouched_until = -math.inf
        self.held_until = sent + self.surely
        return begins

    def vouched(self, asked: float, now: float, answers: Sequence[Vouched]) -> bool:
        """All other nodes that are known were asked at ``asked``; whether that lets this one go on.

        Not after a gap: before it was asked, somebody may have counted this one as dead.
        """
        if self.standing(now) is NodeStanding.SUSPENDED:
            return False
        promised = bool(answers) and all(answer is not Vouched.REFUSED for answer in answers)
        if promised or Vouched.RENEWED in answers:
            self.vouched_until = max(self.vouched_until, asked + self.surely)
            return True
        return False

    def standing(self, now: float) -> NodeStanding:
        """What the node may do for claims that were confirmed in this term."""
        if now < self.held_until:
            return NodeStanding.HELD
        return NodeStanding.VOUCHED if now < self.vouched_until else NodeStanding.SUSPENDED

    def good(self, term: int, now: float) -> bool:
        """Whether a claim that was last confirmed in ``term`` may be acted on."""
        if term == self.term:
            return now < self.held_until or now < self.vouched_until
        return now < self._ends.get(term, -math.inf)

    def continued(self, term: int) -> bool:
        """Whether claims of ``term`` were good when the present one began, so that nobody can have had them since."""
        return term == self.term or term in self._ends


@dataclass(slots=True)
class Promises:
    """What this node promised to others that cannot reach the directory."""

    length: float
    """Seconds of a lease."""
    joined: float = math.inf
    """When this node took its lease: its first one, or one after that had passed."""
    _until: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Of each the era that both knew then, and until when the promise binds."""

    def vouch(self, node: str, its_era: str, own: OwnLease, now: float) -> bool:
        """Promise not to count ``node`` as dead for one lease; False where this one knows more of the directory.

        Who lives in another era, or begins one, would let others have what the node still acts on.
        """
        if not its_era or its_era != own.era:
            return False
        self._until[node] = (its_era, now + self.length)
        return True

    def spares(self, node: str, now: float) -> bool:
        """Whether ``node`` must not be counted as dead yet."""
        return now < self.joined + self.length or self._until.get(node, ("", -math.inf))[1] > now

    def closed(self, era: str, now: float) -> float:
        """Seconds for which nothing new may be granted in ``era``, as somebody acts on what an earlier one knew."""
        left = [until - now for of, until in self._until.values() if of != era]
        return max(0.0, *left) if left else 0.0

    def tend(self, now: float) -> None:
        """Forget the promises that are over."""
        self._until = {node: promise for node, promise in self._until.items() if promise[1] > now}
