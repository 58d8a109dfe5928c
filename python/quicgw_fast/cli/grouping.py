"""The work of ``quicgw group``: calls of the gateway's GatewayService, and their outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.cli.pushing import gateway_client, milliseconds, status_of, unreached
from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.tables import counted, say_document, table
from quicgw_fast.cli.text import no_answer
from quicgw_fast.proto import service_pb2 as pb

if TYPE_CHECKING:
    from quicgw_fast.cli.pushing import PushMessage
    from quicgw_fast.upstream.grpcio.gateway_client import GatewayAccess

PAGE = 1000
"""Members that are asked for at once."""


async def members(gateway: str, access: GatewayAccess, timeout: float, group: str, most: int, *, as_json: bool) -> int:
    """Print so many members at most, return the exit status; StartupError when there is no gateway, as below."""
    found: list[pb.GroupMember] = []
    silent: list[str] = []
    async with gateway_client(gateway, access) as client:
        request = pb.GroupMembersRequest(group=group, limit=min(most, PAGE))
        while True:
            answer = await client.group_members(request, timeout)
            if not answer.success:
                return _refused(answer, as_json=as_json)
            found += answer.members
            silent += answer.unreached_nodes
            request.cursor = answer.next
            if not answer.next or len(found) >= most:
                break
    shown = found[:most]
    if as_json:
        keys = ("session_id", "openid", "attached", "left_ms")
        told = [{key: getattr(member, key) for key in keys} for member in shown]
        more = bool(answer.next) or len(found) > most
        say_document({"group": group, "members": told, "more": more, "unreached_nodes": silent})
    else:
        rows = [
            (each.session_id, each.openid, "ATTACHED" if each.attached else "DETACHED", _left(each)) for each in shown
        ]
        lines = [*table(("SESSION", "OPENID", "CLIENT", "LEAVES IN"), rows)]
        if silent:
            lines.append(f"{counted(len(rows), 'member')}{no_answer(silent, so='whose members are left out')}")
        _say("\n".join(lines))
    return Status.NO if silent else Status.DONE


async def join(
    gateway: str, access: GatewayAccess, timeout: float, group: str, who: tuple[str, str], ttl: float, *, as_json: bool
) -> int:
    """Have sessions join, print how many, return the exit status."""
    ttl_ms = milliseconds(ttl, "--ttl")
    request = pb.JoinGroupRequest(target_type=who[0], target_id=who[1], group=group, ttl_ms=ttl_ms)
    async with gateway_client(gateway, access) as client:
        return _changed(await client.join_group(request, timeout), as_json=as_json)


async def leave(
    gateway: str, access: GatewayAccess, timeout: float, group: str, who: tuple[str, str], *, as_json: bool
) -> int:
    """Have sessions leave, print how many, return the exit status."""
    request = pb.LeaveGroupRequest(target_type=who[0], target_id=who[1], group=group)
    async with gateway_client(gateway, access) as client:
        return _changed(await client.leave_group(request, timeout), as_json=as_json)


async def push(
    gateway: str,
    access: GatewayAccess,
    timeout: float,
    group: str,
    message: PushMessage,
    idempotency_key: str,
    *,
    as_json: bool,
) -> int:
    """Push to the members, print how many took it and which nodes did not answer, return the exit status."""
    request = pb.GroupPushRequest(group=group, idempotency_key=idempotency_key, **message.fields())
    async with gateway_client(gateway, access) as client:
        answer = await client.push_to_group(request, timeout)
    if not answer.success:
        return _refused(answer, as_json=as_json)
    if as_json:
        keys = (
            *("success", "message", "error_code", "sent_count", "member_count"),
            *("pending_bytes", "most_pending_bytes"),
        )
        told = {key: getattr(answer, key) for key in keys}
        say_document({**told, "unreached_nodes": list(answer.unreached_nodes)})
    else:
        _say(f"sent to {answer.sent_count} of {answer.member_count} members{unreached(answer)}")
    return status_of(answer)


def _changed(answer: pb.GroupResponse, *, as_json: bool) -> int:
    if not answer.success:
        return _refused(answer, as_json=as_json)
    if as_json:
        say_document({"success": True, "message": answer.message, "error_code": "", "sessions": answer.sessions})
    else:
        _say(f"{answer.message}: {answer.sessions} {'session' if answer.sessions == 1 else 'sessions'}")
    return Status.DONE


def _refused(answer: pb.GroupResponse | pb.GroupMembersResponse | pb.GroupPushResponse, *, as_json: bool) -> int:
    if as_json:
        say_document({"success": False, "message": answer.message, "error_code": answer.error_code})
    else:
        _say(f"refused: {answer.error_code} {answer.message}")
    return Status.NO


def _left(member: pb.GroupMember) -> str:
    return f"{member.left_ms / 1000:.0f} s" if member.left_ms else "-"


def _say(line: str) -> None:
    print(line, flush=True)
