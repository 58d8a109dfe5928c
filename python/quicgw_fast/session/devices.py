"""The sessions of one openid that live here, and which of them go when another client comes (protocol §2, "Devices").

A session stands for a device: a START that names no session is another one, and a START that names its session is the
device that had it before. By default an openid has one session, and whoever comes takes over. This is the one place
that answers which sessions an openid has, and the one place that judges a START by the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from quicgw_fast.session.claim import StartClaim
    from quicgw_fast.session.session import Session


@dataclass(frozen=True, slots=True)
class DevicePolicy:
    """How many sessions an openid may have at once, and who gives way to one more."""

    most: int = 1
    refuses: bool = False
    """Whether an openid that is online keeps its session, and whoever else comes is refused."""

    @classmethod
    def of(cls, written: str | int) -> Self:
        """The policy as ``session.devices`` has it."""
        return cls(refuses=written == "refuse") if isinstance(written, str) else cls(written)

    @property
    def numbers_suffice(self) -> bool:
        """Whether a START without ``session_id`` and epoch says by its openid alone which session it means."""
        return self.most == 1


NEWEST: Final = DevicePolicy()
"""One session, and the newest connection has it."""


class Devices:
    """Of each openid its live sessions, in the order in which their clients attached last."""

    def __init__(self, policy: DevicePolicy = NEWEST) -> None:
        self.policy = policy
        """For the STARTs to come: nobody who is there has to go because it is another one."""
        self._of: dict[str, tuple[Session, ...]] = {}

    def of(self, openid: str) -> tuple[Session, ...]:
        """Its sessions, the one that attached last behind the others."""
        return self._of.get(openid, ())

    def add(self, session: Session) -> None:
        """One has begun; ValueError where the openid has as many as it may have."""
        before = self._of.get(session.openid)
        if before is None:
            self._of[session.openid] = (session,)
        elif len(before) < self.policy.most:
            self._of[session.openid] = (*before, session)
        else:
            raise ValueError("the openid has as many live sessions as it may have; end one first")

    def attached(self, session: Session) -> None:
        """A client has just attached to one."""
        of_openid = self._of[session.openid]
        if of_openid[-1] is not session:
            self._of[session.openid] = (*(one for one in of_openid if one is not session), session)

    def remove(self, session: Session) -> None:
        """One has ended."""
        before = self._of.pop(session.openid)
        if len(before) > 1:
            self._of[session.openid] = tuple(one for one in before if one is not session)

    def meant(self, claim: StartClaim) -> Session | None:
        """The session that a START wants to go on with. One of another openid is none (``resume.decide``)."""
        sessions = self.of(claim.openid)
        if not claim.session_id and self.policy.numbers_suffice and len(sessions) == 1:
            return sessions[0]
        return next((session for session in sessions if claim.names(session.id, session.epoch)), None)

    def leaving(self, openid: str, instead_of: Session | None) -> list[Session]:
        """Who has to go for one more: the one that it follows, and as many others as there is no place for.

        Those go first that have no client, then those whose client attached longest ago.
        """
        sessions = self._of.get(openid)
        if sessions is None:
            return []
        others = [session for session in sessions if session is not instead_of]
        others.sort(key=lambda session: session.attached)  # keeps the order among equals
        too_many = max(0, len(others) + 1 - self.policy.most)
        return [*([] if instead_of is None else [instead_of]), *others[:too_many]]

    def online_elsewhere(self, claim: StartClaim) -> bool:
        """Whether a START is refused, as another client of its openid is there.

        Another one is who does not name the session: by a number alone nobody can be told from anybody else.
        """
        if not self.policy.refuses or self.named(claim):
            return False
        return any(session.reachable for session in self.of(claim.openid))

    def named(self, claim: StartClaim) -> bool:
        """Whether the client of a START had one of the sessions before."""
        return any(claim.names(session.id, session.epoch) for session in self.of(claim.openid))
