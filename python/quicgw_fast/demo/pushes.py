"""The actions that push to clients through the gateway while, before or after they answer (protocol §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.demo.actions import ActionRefused, ActionReply, EmbeddedService, action, whole_number
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.upstream import GatewayCallFailed

if TYPE_CHECKING:
    from quicgw_fast.upstream.grpcio.gateway_client import GatewayClient

_MOST_PUSHES = 2000


@action("notification")
async def notification(service: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:
    """Push at once, to the caller's session or to ``target_type`` and ``target_id``."""
    return await _push(service, request, pb.NSH_IMMEDIATELY)


@action("before")
async def before(service: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:
    """Push notifies that must reach the caller before this answer."""
    return await _push(service, request, pb.NSH_BEFORE_RESPONSE)


@action("after")
async def after(service: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:
    """Push notifies that must reach the caller right after this answer."""
    return await _push(service, request, pb.NSH_AFTER_RESPONSE)


@action("broadcast")
async def broadcast(service: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:
    """Push to every logged-in client; answers how many took it."""
    push = pb.BroadcastRequest(
        msg_type="broadcast",
        title=request.params.get("title", "broadcast"),
        content=request.params.get("text", "to everybody"),
        data=request.data,
        metadata={"from": request.openid},
    )
    try:
        answer = await _gateway(service).broadcast(push)
    except GatewayCallFailed as error:
        raise ActionRefused(503, str(error)) from error
    return ActionReply(str(answer.sent_count).encode(), answer.message or "ok")


async def _push(
    service: EmbeddedService, request: pb.UpstreamRequest, hint: pb.NotifySyncHint.ValueType
) -> ActionReply:
    """Send ``count`` pushes one after the other; 409 with the first error code when some were refused."""
    count = whole_number(request.params, "count", 1, 1, _MOST_PUSHES)
    gateway = _gateway(service)
    refusals = []
    for index in range(1, count + 1):
        try:
            answer = await gateway.push(_notify(request, hint, index, count))
        except GatewayCallFailed as error:
            raise ActionRefused(503, str(error)) from error
        if not answer.success:
            refusals.append(answer.error_code or answer.message)
    counts = {"pushed": str(count - len(refusals)), "refused": str(len(refusals))}
    if refusals:
        return ActionReply(request.data, f"{len(refusals)} of {count} refused: {refusals[0]}", counts, 409)
    return ActionReply(request.data, f"{count} pushed", counts)


def _notify(
    request: pb.UpstreamRequest, hint: pb.NotifySyncHint.ValueType, index: int, count: int
) -> pb.UnicastPushRequest:
    """Make one push; bound ones belong to this very request."""
    params = request.params
    name = request.action.lower()
    return pb.UnicastPushRequest(
        target_type=params.get("target_type", "session"),
        target_id=params.get("target_id", request.session_id),
        msg_type=name,
        title=params.get("title", name),
        content=params.get("text", f"{name} {index} of {count}"),
        data=request.data,
        metadata={"index": str(index)},
        sync_hint=hint,
        bind_client_seq_id=0 if hint == pb.NSH_IMMEDIATELY else request.client_seq_id,
    )


def _gateway(service: EmbeddedService) -> GatewayClient:
    if service.shared.gateway is None:
        raise ActionRefused(503, f"the {service.name} service knows no gateway to push through")
    return service.shared.gateway
