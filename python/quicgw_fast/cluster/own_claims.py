"""The claims of this node, and what became of them while the directory, or another node, was being asked.

Theory of operation. Whoever claims an openid is written down in the directory, in one atomic step, before anything else
happens; so of two claimers the later one finds the earlier one, and asks it to *yield* before it acts. A claim goes

* from *asking* (the directory, or the node that has the sessions) – nothing may be done for it, and if it is asked to
  yield meanwhile, it never will be, though its own answer comes later;
* to *granted*: START may begin a session here. What was fetched from another node is *parked* in it until a session
  has begun, as the client whose START brought it may be gone before;
* to *settled*: it has a session;
* and away: the session ended, or somebody yielded it, or the directory does not have it any more (*void*).

In the mode *newest* (one device) a claim is for all of an openid, else for one session of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.cluster.records import ClaimHolder


@dataclass(slots=True, eq=False)
class OwnClaim:
    """One that is granted or settled."""

    openid: str
    generation: int
    term: int
    """Of the lease in which the directory last confirmed it."""
    granted_at: float
    session_id: str = ""
    """Empty until it is settled."""
    epoch: str = ""
    gid: str = ""
    promised: bool = False
    """Whether a START was let in by it whose session has not begun: the session before may end meanwhile."""
    unwritten: bool = False
    """Whether it was made without the directory, which has yet to be told."""
    untold: bool = False
    """Whether the directory may not know its session."""
    unsure: bool = False
    """Whether nobody knows if it was taken: the directory's answer was lost."""
    contested: bool = False
    """Whether an older holder has not given up yet."""
    yielded: bool = False
    """Whether somebody newer was given what it was for: that one alone removes it from the directory, with ``take``."""
    parked: tuple[bytes, ...] = ()
    """Sessions that were fetched for it, until it is settled."""
    lost: tuple[ClaimHolder, ...] = ()
    """Whose sessions died with their node, likewise."""

    @property
    def facts(self) -> tuple[str, str, str]:
        """What the directory is to know of its session."""
        return self.session_id, self.epoch, self.gid

    @property
    def sure(self) -> bool:
        """Whether the directory has it, as far as is known."""
        return not (self.unwritten or self.unsure or self.contested)


@dataclass(slots=True, eq=False)
class Asking:
    """A claim that waits for its answer."""

    openid: str
    given_up: set[int] = field(default_factory=set)
    """Claims of the openid that somebody newer asked for meanwhile: it may be this one."""
    generation: int = 0
    """Of its claim, once the directory has written that down."""
    fetched: tuple[bytes, ...] = ()
    """What another node has given for it, before the directory has confirmed it."""


@dataclass(slots=True)
class OwnClaims:
    """All of a node; ``devices`` is how many sessions an openid may have."""

    devices: int
    _of: dict[str, tuple[OwnClaim, ...]] = field(default_factory=dict)
    _asking: dict[str, list[Asking]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def __iter__(self) -> Iterator[OwnClaim]:
        for claims in self._of.values():
            yield from claims

    def of(self, openid: str) -> tuple[OwnClaim, ...]:
        """Those of one openid."""
        return self._of.get(openid, ())

    def answering(self, openid: str, session_id: str) -> OwnClaim | None:
        """The claim by which a START that names ``session_id`` (or "") may begin at once."""
        for claim in self.of(openid):
            if self.devices == 1 or (session_id and claim.session_id == session_id):
                return claim
        return None

    # Asking

    def ask(self, openid: str) -> Asking:
        """Begin to ask; ``answered`` has to follow, whatever comes of it."""
        asking = Asking(openid)
        self._asking.setdefault(openid, []).append(asking)
        return asking

    def answered(self, asking: Asking) -> None:
        """End it."""
        others = [each for each in self._asking[asking.openid] if each is not asking]
        if others:
            self._asking[asking.openid] = others
        else:
            del self._asking[asking.openid]

    # Steps

    def granted(
        self,
        asking: Asking,
        generation: int,
        term: int,
        now: float,
        arrivals: tuple[bytes, ...] = (),
        lost: tuple[ClaimHolder, ...] = (),
    ) -> OwnClaim | None:
        """The directory granted it; None if it was given up to somebody newer meanwhile, and then nothing is kept."""
        if self.is_given_up(asking, generation):
            return None
        claim = OwnClaim(asking.openid, generation, term, now, parked=arrivals, lost=lost)
        asking.fetched = ()
        others = self.of(claim.openid)
        if self.devices == 1 and others:
            (older,) = others
            if older.generation > generation:
                return older  # it was asked for later, and answered first
            # Two STARTs asked at the same time: the newer claim goes on with what the older one has.
            claim = replace(older, generation=generation, term=term, granted_at=now, untold=bool(older.session_id))
            others = ()
        self._of[claim.openid] = (*others, claim)
        return claim

    def settled(self, openid: str, session_id: str, epoch: str, gid: str) -> OwnClaim | None:
        """A session has begun, or tells more of itself; the claim that it is by, None where there is none."""
        claim = self._claim_for(openid, session_id)
        if claim is not None:
            claim.session_id, claim.epoch, claim.gid = session_id, epoch, gid
            claim.parked = claim.lost = ()
            claim.promised = False
        return claim

    def _claim_for(self, openid: str, session_id: str) -> OwnClaim | None:
        waiting = None
        for claim in self.of(openid):
            if claim.session_id == session_id or self.devices == 1:
                return claim
            if not claim.session_id:
                waiting = claim
        return waiting

    def released(self, openid: str, session_id: str) -> OwnClaim | None:
        """A session has ended; its claim, which is dropped unless a START was let in by it that has yet to begin."""
        for claim in self.of(openid):
            if claim.session_id == session_id:
                if claim.promised:
                    claim.session_id = claim.epoch = claim.gid = ""
                else:
                    self.drop(claim)
                return claim
        return None

    def drop(self, claim: OwnClaim) -> None:
        """Have it no more; idempotent."""
        others = tuple(each for each in self.of(claim.openid) if each is not claim)
        if others:
            self._of[claim.openid] = others
        else:
            self._of.pop(claim.openid, None)

    def yielded(self, openid: str, held: int) -> list[bytes]:
        """Somebody newer found the claim ``held`` in the directory: give it up, and return what had come for it.

        It may be one whose answer is on its way still. A newer claim of the same openid stays: who wants that has to
        find it. With one device an older one goes as well: ``held`` was the oldest there is, so it took that one's
        place, though this node may not have heard so yet. What an older one that waits for its answer has fetched is
        only another copy of what the newer one was given.
        """
        parcels: list[bytes] = []
        for asking in self._asking.get(openid, ()):
            asking.given_up.add(held)
            if asking.generation == held:
                parcels += asking.fetched
                asking.fetched = ()
        for claim in self.of(openid):
            if self._goes_with(claim.generation, held):
                claim.yielded = True
                self.drop(claim)
                parcels += claim.parked
        return parcels

    def has_by(self, openid: str, held: int) -> bool:
        """Whether what is here of an openid is here by the claim ``held``, as somebody found it in the directory."""
        return any(self._goes_with(claim.generation, held) for claim in self.of(openid))

    def is_given_up(self, asking: Asking, generation: int) -> bool:
        """Whether somebody newer was given what that claim was for, before it was granted."""
        return any(self._goes_with(generation, held) for held in asking.given_up)

    def _goes_with(self, generation: int, held: int) -> bool:
        return generation <= held if self.devices == 1 else generation == held

    def idle(self, before: float) -> list[OwnClaim]:
        """Those that were granted before that time, and never had a session: their clients went away."""
        return [claim for claim in self if not claim.session_id and claim.granted_at < before]
