"""Whom a push is for: a session by its id or gid, or all of an openid (protocol §4), at this gateway or another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.codes import PushCode, SyncHint
from quicgw_fast.placement import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quicgw_fast.codes import BindCode, StoreCode
    from quicgw_fast.flow.closing import Closing
    from quicgw_fast.placement import Placement
    from quicgw_fast.proto.service_pb2 import UnicastPushRequest
    from quicgw_fast.session import Registry, Session

TYPES: Final = ("session", "openid", "gid")


class PushRefused(Exception):
    """The push is refused; its sender gets the code and the reason."""

    def __init__(self, code: PushCode | BindCode | StoreCode, why: str) -> None:
        super().__init__(why)
        self.code = code


class Targets:
    """Finds the sessions of a target; one whose resume window has just passed is ended instead."""

    def __init__(self, placement: Placement, registry: Registry, closing: Closing) -> None:
        self._placement = placement
        self._of_one = {"session": registry.by_id, "gid": registry.by_gid}
        self._devices = registry.devices
        self._closing = closing

    async def find(self, target_type: str, target_id: str) -> Sequence[Session]:
        """Those that get a push: of an openid all, the one that attached last first, and else one.

        Empty when there is none and the target may be away. Raises PushRefused for any other target. Only where openids
        live is known of other places: sessions and gids are looked for here alone.
        """
        if target_type != "openid":
            return self._one(target_type, target_id)
        sessions = self._devices_of(target_id)
        if sessions:
            return sessions
        place = self._placement.find("openid", target_id)
        if not isinstance(place, Place):
            place = await place
            sessions = self._devices_of(target_id)  # one may have begun meanwhile
        if not sessions and not place.here:
            raise not_found("openid", target_id, place.detail)
        return sessions

    def _devices_of(self, openid: str) -> Sequence[Session]:
        sessions = self._devices.of(openid)
        if len(sessions) > 1:
            return [one for one in reversed(sessions) if not self._closing.expire(one)]
        return () if not sessions or self._closing.expire(sessions[0]) else sessions

    def _one(self, target_type: str, target_id: str) -> Sequence[Session]:
        find = self._of_one.get(target_type)
        if find is None:
            raise PushRefused(PushCode.BAD_TARGET, f"target_type must be one of {', '.join(TYPES)}")
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


def not_found(target_type: str, target_id: str, why: str = "") -> PushRefused:
    """The refusal of a push to whom nothing is sent, and for whom nothing is kept."""
    told = f"no session for {target_type} {target_id[:128]!r}"
    return PushRefused(PushCode.TARGET_NOT_FOUND, f"{told}: {why}" if why else told)
