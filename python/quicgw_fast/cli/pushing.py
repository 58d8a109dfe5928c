"""The work of ``quicgw push``: one call of the gateway's GatewayService, and its outcome."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.tables import counted, say_document
from quicgw_fast.cli.text import no_answer
from quicgw_fast.codes import LostReason, PushOutcome
from quicgw_fast.errors import StartupError
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.upstream import GatewayCallFailed
from quicgw_fast.upstream.grpcio.gateway_client import GatewayClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quicgw_fast.upstream.grpcio.gateway_client import GatewayAccess


@dataclass(frozen=True, slots=True)
class PushMessage:
    """What is pushed."""

    type: str
    title: str
    content: str
    data: bytes
    metadata: dict[str, str]

    def fields(self) -> dict[str, Any]:
        """The fields that both kinds of request have."""
        return {
            "msg_type": self.type,
            "title": self.title,
            "content": self.content,
            "data": self.data,
            "metadata": self.metadata,
        }


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked for beside sending it; times in seconds, 0 and empty for nothing."""

    wait_ack: float
    idempotency_key: str
    ttl: float
    supersede_key: str

    def fields(self) -> dict[str, Any]:
        """The fields of the request."""
        return {
            "wait_ack_ms": milliseconds(self.wait_ack, "--wait-ack"),
            "idempotency_key": self.idempotency_key,
            "ttl_ms": milliseconds(self.ttl, "--ttl"),
            "supersede_key": self.supersede_key,
        }


async def unicast(
    gateway: str,
    access: GatewayAccess,
    timeout: float,
    kind: str,
    target: str,
    message: PushMessage,
    *,
    before: int | None,
    after: int | None,
    wishes: Wishes,
    as_json: bool,
) -> int:
    """Push to one target, print the outcome, return the exit status; StartupError when there is no gateway."""
    hint = pb.NSH_IMMEDIATELY
    if before is not None:
        hint = pb.NSH_BEFORE_RESPONSE
    elif after is not None:
        hint = pb.NSH_AFTER_RESPONSE
    request = pb.UnicastPushRequest(
        target_type=kind,
        target_id=target,
        sync_hint=hint,
        bind_client_seq_id=before or after or 0,
        **message.fields(),
        **wishes.fields(),
    )
    async with gateway_client(gateway, access) as client:
        answer = await client.push(request, timeout + wishes.wait_ack)
    if as_json:
        say_document(fields_of(answer))
    else:
        _say(told_of(answer))
    return Status.DONE if is_well(answer) else Status.NO


def fields_of(answer: pb.UnicastPushResponse) -> dict[str, Any]:
    """The answer as JSON has it."""
    return {
        "success": answer.success,
        "message": answer.message,
        "error_code": answer.error_code,
        "pending_bytes": answer.pending_bytes,
        "outcome": PushOutcome(answer.outcome).name,
        "lost_reason": LostReason(answer.lost_reason).name,
        "seq_id": answer.seq_id,
        "sessions": answer.sessions,
    }


def told_of(answer: pb.UnicastPushResponse) -> str:
    """The answer in a line."""
    if not answer.success:
        return f"refused: {answer.error_code} {answer.message}".rstrip()
    told, outcome = answer.message or "sent", PushOutcome(answer.outcome)
    if answer.sessions > 1:
        told = f"{told}, in {answer.sessions} sessions"
    if outcome is PushOutcome.LOST:
        return f"{told}, lost: {LostReason(answer.lost_reason).name}"
    return told if outcome is PushOutcome.NOT_ASKED else f"{told}, {outcome.name.lower()}"


def is_well(answer: pb.UnicastPushResponse) -> bool:
    """Whether it was taken, and acknowledged if that was waited for."""
    return answer.success and PushOutcome(answer.outcome) in (PushOutcome.NOT_ASKED, PushOutcome.ACKNOWLEDGED)


async def broadcast(gateway: str, access: GatewayAccess, timeout: float, message: PushMessage, *, as_json: bool) -> int:
    """Push to everybody, print how many took it and which nodes did not answer, return the exit status.

    Raises StartupError when there is no gateway.
    """
    async with gateway_client(gateway, access) as client:
        answer = await client.broadcast(pb.BroadcastRequest(**message.fields()), timeout)
    if as_json:
        say_document(
            {
                "sent_count": answer.sent_count,
                "message": answer.message,
                "pending_bytes": answer.pending_bytes,
                "most_pending_bytes": answer.most_pending_bytes,
                "unreached_nodes": list(answer.unreached_nodes),
            }
        )
    else:
        _say(f"sent to {counted(answer.sent_count, 'client')}{unreached(answer)}")
    return status_of(answer)


def unreached(answer: pb.BroadcastResponse | pb.GroupPushResponse) -> str:
    """Which nodes of a cluster did not answer, to stand behind how many took it; nothing where all did."""
    return no_answer(answer.unreached_nodes, so="where it may have been sent or not")


def status_of(answer: pb.BroadcastResponse | pb.GroupPushResponse) -> Status:
    """The exit status of what went to all nodes: it is not done before all of them have said so."""
    return Status.NO if answer.unreached_nodes else Status.DONE


@asynccontextmanager
async def gateway_client(gateway: str, access: GatewayAccess) -> AsyncIterator[GatewayClient]:
    """The way to a gateway; StartupError when a call fails."""
    client = GatewayClient(gateway, access, patient=False)
    try:
        yield client
    except GatewayCallFailed as error:
        raise StartupError(f"{error} ({error.remedy})") from error
    finally:
        await client.close()


def milliseconds(seconds: float, option: str) -> int:
    """A time as it is sent; BadParameter for one that is too long."""
    milliseconds = round(seconds * 1000) or (1 if seconds else 0)
    if milliseconds >= 1 << 32:
        raise typer.BadParameter("is at most 49 days", param_hint=option)
    return milliseconds


def _say(line: str) -> None:
    print(line, flush=True)
