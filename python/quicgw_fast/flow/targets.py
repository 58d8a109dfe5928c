"""Whom a push is for: a session by its id or gid, or all of an openid (protocol §4), at this gateway or another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.codes import PushCode, SyncHint
from quicgw_fast.placement import Place, PlaceTrouble

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.codes import BindCode, StoreCode
    from quicgw_fast.flow.closing import Closing
    from quicgw_fast.flow.departed import Departed
    from quicgw_fast.flow.elsewhere import Elsewhere
    from quicgw_fast.placement import Placement
    from quicgw_fast.proto.service_pb2 import UnicastPushRequest
    from quicgw_fast.session import Registry, Session

TYPES: Final = ("session", "openid", "gid")
_CODES: Final = {
    PlaceTrouble.COMING: PushCode.MOVED,
    PlaceTrouble.DIRECTORY_UNAVAILABLE: PushCode.DIRECTORY_UNAVAILABLE,
    PlaceTrouble.NODE_UNREACHABLE: PushCode.NODE_UNREACHABLE,
}


class PushRefused(Exception):
    """The push is refused; its sender gets the code and the reason."""

    def __init__(self, code: PushCode | BindCode | StoreCode, why: str) -> None:
        super().__init__(why)
        self.code = code


class Targets:
    """Finds the sessions of a target; one whose resume window has just passed is ended instead."""

    def __init__(
        self,
        placement: Placement,
        registry: Registry,
        closing: Closing,
        departed: Departed,
        elsewhere: Elsewhere,
        may_act: Callable[[str], bool] | None,
    ) -> None:
        """``departed`` knows who has just gone to another gateway, ``elsewhere`` who was found at one.

        ``may_act`` says whether this gateway still has an openid; None where it cannot lose one.
        """
        self._placement = placement
        self._departed = departed
        self._elsewhere = elsewhere
        self._may_act = may_act
        self._of_one = {"session": registry.by_id, "gid": registry.by_gid}
        self._devices = registry.devices
        self._closing = closing

    async def find(self, target_type: str, target_id: str, *, ask: bool = True) -> Sequence[Session] | None:
        """Those that get a push: of an openid all, the one that attached last first, and else one.

        Empty when there is none anywhere and the target may be away; None when another gateway has it, also where that
        is not to be asked for. Raises PushRefused for any other target.
        """
        if target_type not in TYPES:
            raise PushRefused(PushCode.BAD_TARGET, f"target_type must be one of {', '.join(TYPES)}")
        sessions = self.here(target_type, target_id)
        if sessions:
            return sessions
        if not ask or self._departed.knows(target_type, target_id) or self._elsewhere.knows(target_type, target_id):
            return None
        place = self._placement.find(target_type, target_id)
        if not isinstance(place, Place):
            place = await place
            sessions = self.here(target_type, target_id)  # one may have begun meanwhile
        if sessions or place.here:
            return sessions
        if place.nodes and place.trouble is PlaceTrouble.ELSEWHERE:
            return None
        raise away(target_type, target_id, place)

    def here(self, target_type: str, target_id: str) -> Sequence[Session]:
        """As ``find``, of what is at this gateway."""
        sessions = self._devices_of(target_id) if target_type == "openid" else self._one(target_type, target_id)
        if self._may_act is None or not sessions or self._may_act(sessions[0].openid):
            return sessions
        return ()  # another gateway may have it by now: it is asked like any that is not here

    def _devices_of(self, openid: str) -> Sequence[Session]:
        sessions = self._devices.of(openid)
        if len(sessions) > 1:
            return [one for one in reversed(sessions) if not self._closing.expire(one)]
        return () if not sessions or self._closing.expire(sessions[0]) else sessions

    def _one(self, target_type: str, target_id: str) -> Sequence[Session]:
        find = self._of_one[target_type]
        session = find(target_id)
        while session is not None and self._closing.expire(session):
            session = find(target_id)  # a gid may have an older one
        return () if session is None else (session,)


def meant(sessions: Sequence[Session], request: UnicastPushRequest) -> Sequence[Session]:
    """Of the devices of an openid those that a push is for: all, or, for what is bound, the one that asked.

    Raises PushRefused where not exactly one has that request in flight: its number is a session's own (protocol §3).
    """
    number = request.bind_client_seq_id
    if not number or int(request.sync_hint) == SyncHint.IMMEDIATELY:
        return sessions
    asked = [session for session in sessions if session.outbox.is_open(number)]
    if len(asked) != 1:
        told = f"of {len(sessions)} sessions of the openid {len(asked)} have request {number} in flight"
        raise PushRefused(PushCode.SESSION_REQUIRED, f"{told}: push to the session that asked")
    return asked


def away(target_type: str, target_id: str, place: Place) -> PushRefused:
    """The refusal of a push to whom nobody can be reached who would know."""
    refused = not_found(target_type, target_id, place.detail)
    code = None if place.trouble is None else _CODES.get(place.trouble)
    return refused if code is None else PushRefused(code, str(refused))


def not_found(target_type: str, target_id: str, why: str = "") -> PushRefused:
    """The refusal of a push to whom nothing is sent, and for whom nothing is kept."""
    told = f"no session for {target_type} {target_id[:128]!r}"
    return PushRefused(PushCode.TARGET_NOT_FOUND, f"{told}: {why}" if why else told)


def unwritten() -> PushRefused:
    """The refusal where a session is gone before it was written down what it took (``replication``)."""
    told = "the session was gone from here before this was written down; it may have been taken"
    return PushRefused(PushCode.NODE_UNREACHABLE, told)
