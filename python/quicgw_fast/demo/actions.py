"""What the embedded services answer: one function per action, found by name in ``ACTIONS``."""

from __future__ import annotations

import asyncio
import json
import math
import operator
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import grpc

from quicgw_fast.service.unknown_actions import UnknownActions
from quicgw_fast.upstream import zone_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from quicgw_fast.proto import service_pb2 as pb
    from quicgw_fast.upstream.grpcio.gateway_client import GatewayClient

    Handler = Callable[["EmbeddedService", pb.UpstreamRequest], Awaitable["ActionReply"]]

_MOST_USERS = 1000
_LARGEST_ECHO = 8 << 20
_LONGEST_SLEEP_MS = 600_000
_LONGEST_NUMBER = 64
_INTEGER = re.compile(r"[+-]?\d{1,30}")
_OPERATIONS: Mapping[str, Callable[[float, float], float]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
}


class ActionReply(NamedTuple):
    """The answer of an action."""

    data: bytes = b""
    message: str = "ok"
    headers: Mapping[str, str] = {}
    code: int = 200


class ActionRefused(Exception):
    """The action answers with this code and message."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


class BrokenOff(Exception):
    """The action ends the call with a gRPC error."""

    def __init__(self, status: grpc.StatusCode, details: str) -> None:
        self.status = status
        super().__init__(details)


@dataclass
class Shared:
    """What the embedded services have in common, as they run in one process."""

    gateway: GatewayClient | None = None
    users: dict[str, str] = field(default_factory=dict)
    """openid → session of those who said hello, the 1 000 latest."""


@dataclass
class EmbeddedService:
    """One embedded service, as its actions see it."""

    name: str
    shared: Shared
    started: float = field(default_factory=time.monotonic)
    served: int = 0
    in_flight: int = 0
    unknown: UnknownActions = field(init=False)
    """Says what it says of an action that it does not have as any service does."""

    def __post_init__(self) -> None:
        self.unknown = UnknownActions(self.name)

    @property
    def uptime(self) -> int:
        """Whole seconds since the start."""
        return int(time.monotonic() - self.started)


ACTIONS: dict[str, Handler] = {}


def action(*names: str) -> Callable[[Handler], Handler]:
    """Enter the decorated function in ``ACTIONS`` under ``names``."""

    def enter(handler: Handler) -> Handler:
        ACTIONS.update(dict.fromkeys(names, handler))
        return handler

    return enter


def whole_number(params: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """Return a parameter as an int; ActionRefused 400 when it is none or outside ``low`` … ``high``."""
    text = params.get(name, str(default))
    if not _INTEGER.fullmatch(text) or not low <= int(text) <= high:
        raise ActionRefused(400, f"{name} must be a whole number from {low} to {high}")
    return int(text)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()


@action("hello", "login")
async def hello(service: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:
    """Log in: headers ``zone`` and ``gid`` derived from the openid. Param refuse=1 (or a code) refuses."""
    refuse = whole_number(request.params, "refuse", 0, 0, 999)
    if refuse:
        raise ActionRefused(401 if refuse == 1 else refuse, "login refused, as asked for")
    users = service.shared.users
    users.pop(request.openid, None)
    users[request.openid] = request.session_id
    if len(users) > _MOST_USERS:
        del users[next(iter(users))]
    zone = int(zone_of(request.openid))
    return ActionReply(f"hello {request.openid}".encode(), headers={"zone": str(zone), "gid": f"gid-{request.openid}"})


@action("logout")
async def logout(service: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:
    """Forget the user."""
    known = service.shared.users.pop(request.openid, None) is not None
    return ActionReply(message="goodbye" if known else "was not logged in")


@action("echo")
async def echo(_: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:
    """Answer the data that came; without data the param ``text``, or ``size`` bytes of filling."""
    size = whole_number(request.params, "size", 0, 0, _LARGEST_ECHO)
    return ActionReply(request.data or request.params.get("text", "").encode() or b"x" * size)


@action("zone", "business_msg")
async def accept(service: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:
    """Answer the data that came, and in the message who took it."""
    return ActionReply(request.data or request.params.get("text", "").encode(), f"taken by {service.name}")


@action("time", "heartbeat")
async def tell_time(_: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:  # noqa: ARG001
    """Answer the service's clock in milliseconds since 1970."""
    return ActionReply(str(time.time_ns() // 1_000_000).encode())


@action("calculate")
async def calculate(_: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:
    """Params op (add, sub, mul, div), a and b; 400 for anything that has no finite result."""
    name = request.params.get("op", "")
    if name not in _OPERATIONS:
        raise ActionRefused(400, f"op must be one of {', '.join(_OPERATIONS)}")
    a, b = _operand(request.params, "a"), _operand(request.params, "b")
    if name == "div" and b == 0:
        raise ActionRefused(400, "division by zero")
    result = _OPERATIONS[name](a, b)
    if not math.isfinite(result):
        raise ActionRefused(400, "the result is too large")
    return ActionReply(str(result).encode())


def _operand(params: Mapping[str, str], name: str) -> float:
    text = params.get(name, "")
    try:
        value = int(text) if _INTEGER.fullmatch(text) else float(text)
    except ValueError:
        value = math.nan
    if len(text) > _LONGEST_NUMBER or not math.isfinite(value):
        raise ActionRefused(400, f"{name} must be a number")
    return value


@action("status")
async def status(service: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:  # noqa: ARG001
    """Answer what the service has done, as JSON."""
    return ActionReply(
        _json(
            {
                "service": service.name,
                "uptime": service.uptime,
                "served": service.served,
                "users": len(service.shared.users),
            }
        )
    )


@action("session_info")
async def session_info(_: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:
    """Answer what the gateway says about the caller, as JSON."""
    return ActionReply(
        _json(
            {
                "session_id": request.session_id,
                "openid": request.openid,
                "client_seq_id": request.client_seq_id,
                "headers": dict(request.headers),
            }
        )
    )


@action("user_list")
async def user_list(service: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:  # noqa: ARG001
    """Answer the openids that said hello and not logout, as a JSON list in order of their hello."""
    return ActionReply(_json(list(service.shared.users)))


@action("data_sync")
async def data_sync(_: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:
    """Answer the data that came and its length."""
    return ActionReply(request.data, f"synced {len(request.data)} bytes")


@action("sleep")
async def sleep(_: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:
    """Answer after ``ms`` milliseconds (default 100)."""
    ms = whole_number(request.params, "ms", 100, 0, _LONGEST_SLEEP_MS)
    await asyncio.sleep(ms / 1000)
    return ActionReply(request.data, f"slept {ms} ms")


@action("fail")
async def fail(_: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:
    """Answer with the param ``code`` (default 500), or with grpc=1 end the call with the gRPC ``status``."""
    code = whole_number(request.params, "code", 500, 1, 999)
    if whole_number(request.params, "grpc", 0, 0, 1):
        name = request.params.get("status", "INTERNAL").upper()
        if name not in grpc.StatusCode.__members__ or name == "OK":
            raise ActionRefused(400, "status must be the name of a gRPC error")
        raise BrokenOff(grpc.StatusCode[name], "failed, as asked for")
    raise ActionRefused(code, "failed, as asked for")
