"""The client's half of the wire (protocol §1): frames up, envelopes down. No clock, no sockets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.message import DecodeError

from quicgw_fast.carrier import MAX_BODY, MAX_BODY_BEFORE_START
from quicgw_fast.client import checks
from quicgw_fast.client.errors import ProtocolFailure, ReplyError, TooLarge, reply_error, start_refusal
from quicgw_fast.client.headers import whole
from quicgw_fast.client.messages import GapReport, Notify, Reply
from quicgw_fast.codes import ErrorCode, ResetReason
from quicgw_fast.proto.client_pb2 import (
    REQUEST_ACK,
    REQUEST_BUSINESS,
    REQUEST_HEARTBEAT,
    REQUEST_START,
    REQUEST_STOP,
    BusinessRequest,
    BusinessResponse,
    ClientAck,
    ClientRequest,
    ErrorMessage,
    HeartbeatRequest,
    ServerPush,
    StartRequest,
    StartResponse,
    StopRequest,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.client.checks import Octets
    from quicgw_fast.client.messages import StopReason

TIMEOUT_HEADER = "timeout-ms"
TOKEN_HEADER = "auth-token"
REFRESHED_HEADER = "auth-refresh"
EXPIRES_HEADER = "token-expires-in"
OFFLINE_HEADER = "offline-id"
IN_FLIGHT_HEADER = "limit-in-flight"
WINDOW_HEADER = "limit-window-bytes"
RATE_HEADER = "limit-messages-per-second"

_CONTROL_BIT = 0x8000_0000


class ResumeClaim(NamedTuple):
    """What START says about the session to go on with; all empty for a fresh start."""

    last_acked: int = 0
    session_id: str = ""
    epoch: str = ""
    attempt: int = 0


class Limits(NamedTuple):
    """What the gateway takes from one session (protocol §2); None where it does not say."""

    in_flight: int | None = None
    """Requests without a reply."""
    rate: float | None = None
    """Requests per second."""
    window_bytes: int | None = None
    """Bytes of what the gateway sent that may be without an acknowledgement."""


UNKNOWN_LIMITS = Limits()


@dataclass(slots=True, frozen=True)
class StartAnswer:
    """An accepted START."""

    session_id: str
    epoch: str
    resumed: bool
    max_client_seq: int
    """Highest number of a request that the gateway got in this session."""
    reset_reason: int
    replay_from: int
    heartbeat_interval: int
    """Seconds, 0 when the gateway does not say."""
    gap: GapReport | None = None
    token_expires_in: float | None = None
    """Seconds."""
    limits: Limits = UNKNOWN_LIMITS


def business_msg_id(seq: int) -> int:
    """Return the msg_id of request ``seq``.

    It is made from the number, so that a process that takes the session over never uses the msg_id of a
    request that is still in flight.
    """
    return (seq - 1) % (_CONTROL_BIT - 1) + 1


def control_msg_id(count: int) -> int:
    """Return the msg_id of the ``count``-th message that is not a request; never one of a request."""
    return _CONTROL_BIT | count % _CONTROL_BIT


def start_frame(msg_id: int, openid: str, token: str, claim: ResumeClaim) -> bytes:
    """Encode START; raises TooLarge when openid and token do not fit into what is allowed before login."""
    request = StartRequest(
        openid=openid,
        auth_token=token,
        last_acked_seq_id=claim.last_acked,
        session_id=claim.session_id,
        epoch=claim.epoch,
        attempt=claim.attempt,
    )
    body = ClientRequest(msg_id=msg_id, type=REQUEST_START, payload=request.SerializeToString())
    return _frame(body, MAX_BODY_BEFORE_START)


def stop_frame(msg_id: int, reason: StopReason) -> bytes:
    """Encode STOP."""
    request = StopRequest(reason=reason.value)  # type: ignore[arg-type]  # the enum mirrors the wire's
    return _frame(ClientRequest(msg_id=msg_id, type=REQUEST_STOP, payload=request.SerializeToString()))


def heartbeat_frame(msg_id: int, timestamp_ms: int, headers: Mapping[str, str] | None = None) -> bytes:
    """Encode HEARTBEAT; ``timestamp_ms`` is wall time."""
    payload = HeartbeatRequest(client_timestamp=timestamp_ms).SerializeToString()
    return _frame(ClientRequest(msg_id=msg_id, type=REQUEST_HEARTBEAT, payload=payload, headers=headers))


def ack_frame(seq: int) -> bytes:
    """Encode the cumulative acknowledgement of everything up to ``seq``."""
    payload = ClientAck(acked_seq_id=seq).SerializeToString()
    return _frame(ClientRequest(type=REQUEST_ACK, payload=payload))


def business_request(
    action: str, params: Mapping[str, str] | None, data: Octets, headers: Mapping[str, str] | None
) -> ClientRequest:
    """Make a request that has no number yet. Raises TypeError or ValueError that names the argument at fault."""
    octets = data if isinstance(data, bytes) else checks.octets("data", data)
    try:
        payload = BusinessRequest(action=action, params=params, data=octets).SerializeToString()
        return ClientRequest(type=REQUEST_BUSINESS, payload=payload, headers=headers)
    except (TypeError, ValueError, AttributeError):
        # protobuf does not say which argument it was; looking at all of them each time would cost more than sending.
        checks.text("action", action, empty=True)
        checks.strings("params", params)
        checks.strings("headers", headers)
        raise


def business_frame(request: ClientRequest, seq: int) -> bytes:
    """Encode ``request`` as number ``seq``; raises TooLarge when it is longer than a body may be."""
    request.msg_id = business_msg_id(seq)
    request.seq_id = seq
    return _frame(request)


def parse_push(body: bytes) -> ServerPush:
    """Parse an envelope; raises ProtocolFailure when it is not a valid one."""
    try:
        return ServerPush.FromString(body)
    except DecodeError as error:
        raise ProtocolFailure(f"{len(body)} bytes are not a valid ServerPush") from error


def parse_start(push: ServerPush) -> StartAnswer:
    """Read START_RESP; raises ReplyError (by its code) when START was refused."""
    try:
        answer = StartResponse.FromString(push.payload)
    except DecodeError as error:
        raise ProtocolFailure("the payload of START_RESP does not parse") from error
    headers = dict(push.headers)
    if not answer.success:
        refusal = answer.error
        raise start_refusal(refusal.error_code, refusal.error_message, refusal.detail, headers)
    return StartAnswer(
        session_id=answer.connection_id,
        epoch=answer.epoch,
        resumed=answer.resumed,
        max_client_seq=answer.max_client_seq,
        reset_reason=_reset_reason(answer.reset_reason),
        replay_from=answer.replay_from,
        heartbeat_interval=answer.heartbeat_interval,
        gap=GapReport.from_headers(headers),
        token_expires_in=expires_in(headers),
        limits=_limits(headers),
    )


def parse_reply(push: ServerPush) -> Reply:
    """Read a response; raises ProtocolFailure when its payload does not parse."""
    answer = _business(push)
    return Reply(answer.code, answer.message, answer.data, dict(push.headers), push.seq_id)


def parse_notify(push: ServerPush) -> Notify:
    """Read a notify (protocol §4); raises ProtocolFailure when its payload does not parse."""
    body = _business(push)
    headers = dict(push.headers)
    return Notify(
        body.data,
        body.message,
        headers.get("notify-type", ""),
        headers.get("notify-title", ""),
        headers.get("notify-content", ""),
        headers,
        push.seq_id,
    )


def parse_error(push: ServerPush) -> ReplyError:
    """Read PUSH_ERROR as the exception of its code; raises ProtocolFailure when its payload does not parse."""
    try:
        message = ErrorMessage.FromString(push.payload)
    except DecodeError as problem:
        raise ProtocolFailure("the payload of PUSH_ERROR does not parse") from problem
    error = reply_error(message.error_code, message.error_message, message.detail, dict(push.headers))
    error.seq_id = push.seq_id
    return error


def expires_in(headers: Mapping[str, str]) -> float | None:
    """Seconds until the token expires, None when the gateway does not say."""
    seconds = whole(headers, EXPIRES_HEADER)
    return None if seconds is None else float(seconds)


def _limits(headers: Mapping[str, str]) -> Limits:
    """Read the limits; a value that makes no sense counts as not said."""
    try:
        rate = float(headers.get(RATE_HEADER, ""))
    except ValueError:
        rate = 0.0
    return Limits(
        whole(headers, IN_FLIGHT_HEADER) or None,
        rate if 1e-3 <= rate <= 1e9 else None,
        whole(headers, WINDOW_HEADER) or None,
    )


def _business(push: ServerPush) -> BusinessResponse:
    try:
        return BusinessResponse.FromString(push.payload)
    except DecodeError as error:
        raise ProtocolFailure("the payload of PUSH_BUSINESS_DATA does not parse") from error


def _reset_reason(value: int) -> int:
    return ResetReason(value) if value in ResetReason.__members__.values() else value


def _frame(message: ClientRequest, limit: int = MAX_BODY) -> bytes:
    body = message.SerializeToString()
    if len(body) > limit:
        raise TooLarge(ErrorCode.TOO_LARGE, "message too large", f"{len(body)} bytes are over the limit of {limit}")
    return len(body).to_bytes(4, "big") + body
