"""The work of ``quicgw push``: one call of the gateway's GatewayService, and its outcome."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.tables import say_document
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
    )
    async with _client(gateway, access) as client:
        answer = await client.push(request, timeout)
    if as_json:
        _say_json(
            success=answer.success,
            message=answer.message,
            error_code=answer.error_code,
            pending_bytes=answer.pending_bytes,
        )
    elif answer.success:
        _say(answer.message or "sent")
    else:
        _say(f"refused: {answer.error_code} {answer.message}".rstrip())
    return Status.DONE if answer.success else Status.NO


async def broadcast(gateway: str, access: GatewayAccess, timeout: float, message: PushMessage, *, as_json: bool) -> int:
    """Push to everybody, print how many took it, return the exit status; StartupError when there is no gateway."""
    async with _client(gateway, access) as client:
        answer = await client.broadcast(pb.BroadcastRequest(**message.fields()), timeout)
    if as_json:
        _say_json(
            sent_count=answer.sent_count,
            message=answer.message,
            pending_bytes=answer.pending_bytes,
            most_pending_bytes=answer.most_pending_bytes,
        )
    else:
        _say(f"sent to {answer.sent_count} clients")
    return Status.DONE


@asynccontextmanager
async def _client(gateway: str, access: GatewayAccess) -> AsyncIterator[GatewayClient]:
    client = GatewayClient(gateway, access, patient=False)
    try:
        yield client
    except GatewayCallFailed as error:
        raise StartupError(f"{error} (--gateway names another address: the gateway's server.grpc)") from error
    finally:
        await client.close()


def _say(line: str) -> None:
    print(line, flush=True)


def _say_json(**fields: Any) -> None:
    say_document(fields)
