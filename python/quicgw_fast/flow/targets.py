"""Whom a push is for: a session by its id, its openid or its gid (protocol §4), at this gateway or at another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import PushCode
from quicgw_fast.placement import Place

if TYPE_CHECKING:
    from quicgw_fast.codes import BindCode, StoreCode
    from quicgw_fast.flow.closing import Closing
    from quicgw_fast.placement import Placement
    from quicgw_fast.session import Registry, Session


class PushRefused(Exception):
    """The push is refused; its sender gets the code and the reason."""

    def __init__(self, code: PushCode | BindCode | StoreCode, why: str) -> None:
        super().__init__(why)
        self.code = code


class Targets:
    """Finds the session of a target; one whose resume window has just passed is ended instead."""

    def __init__(self, placement: Placement, registry: Registry, closing: Closing) -> None:
        self._placement = placement
        self._lookup = {"session": registry.by_id, "openid": registry.by_openid, "gid": registry.by_gid}
        self._closing = closing

    async def find(self, target_type: str, target_id: str) -> Session | None:
        """The session; None when there is none and the target may be away. Raises PushRefused for any other target.

        Only where openids live is known of other places: sessions and gids are looked for here alone.
        """
        if target_type not in self._lookup:
            raise PushRefused(PushCode.BAD_TARGET, f"target_type must be one of {', '.join(self._lookup)}")
        session = self._session(target_type, target_id)
        if session is not None or target_type != "openid":
            return session
        place = self._placement.find(target_type, target_id)
        if not isinstance(place, Place):
            place = await place
            session = self._session(target_type, target_id)  # it may have begun meanwhile
        if session is None and not place.here:
            raise not_found(target_type, target_id, place.detail)
        return session

    def _session(self, target_type: str, target_id: str) -> Session | None:
        find = self._lookup[target_type]
        session = find(target_id)
        while session is not None and self._closing.expire(session):
            session = find(target_id)  # a gid may have an older one
        return session


def not_found(target_type: str, target_id: str, why: str = "") -> PushRefused:
    """The refusal of a push to whom nothing is sent, and for whom nothing is kept."""
    told = f"no session for {target_type} {target_id[:128]!r}"
    return PushRefused(PushCode.TARGET_NOT_FOUND, f"{told}: {why}" if why else told)
