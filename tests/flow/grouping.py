"""What services do about groups, in short words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.proto import service_pb2 as pb

if TYPE_CHECKING:
    from tests.flow.house import House


async def join(house: House, target: str, group: str = "g", ttl: float = 0.0, kind: str = "openid") -> pb.GroupResponse:
    """``ttl`` in seconds; 0: as long as the session lives."""
    request = pb.JoinGroupRequest(target_type=kind, target_id=target, group=group, ttl_ms=round(ttl * 1000))
    return await house.path.services.groups.join(request)


async def leave(house: House, target: str, group: str = "g", kind: str = "openid") -> pb.GroupResponse:
    return await house.path.services.groups.leave(pb.LeaveGroupRequest(target_type=kind, target_id=target, group=group))


async def push_to(house: House, group: str = "g", content: str = "n", **fields: object) -> pb.GroupPushResponse:
    request = pb.GroupPushRequest(group=group, msg_type="t", title="x", content=content, **fields)  # type: ignore[arg-type]
    return await house.path.services.groups.push(request)


async def page(house: House, group: str = "g", **fields: object) -> pb.GroupMembersResponse:
    request = pb.GroupMembersRequest(group=group, **fields)  # type: ignore[arg-type]
    return await house.path.services.groups.members(request)


async def members(house: House, group: str = "g") -> list[str]:
    """The openids of those who are in a group."""
    return [member.openid for member in (await page(house, group, limit=1000)).members]
