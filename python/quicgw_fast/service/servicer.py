"""The gRPC side of a service: what the gateway calls (protocol §3)."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from typing import TYPE_CHECKING, Any

from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import UpstreamServiceServicer
from quicgw_fast.service.errors import ServiceError
from quicgw_fast.service.replies import FinishedReply, ImpossibleReply, finish
from quicgw_fast.service.request import Request
from quicgw_fast.service.unknown_actions import LONGEST_SHOWN, UnknownActions

if TYPE_CHECKING:
    import grpc

    from quicgw_fast.service.groups import GroupCaller
    from quicgw_fast.service.handlers import Handler, Handlers
    from quicgw_fast.service.pushing import NotifySender
    from quicgw_fast.service.threads import Threads

    Context = grpc.aio.ServicerContext[Any, Any]

_log = logging.getLogger("quicgw.service")

NO_DEADLINE = 3600.0
"""Seconds that a call without a deadline has; the gateway gives every call one."""
REQUEST_ID = "x-request-id"
GATEWAY = "gateway"
"""The header of every request by which its gateway says where it is (protocol §3)."""


class Servicer(UpstreamServiceServicer):
    """Answers requests by the handlers."""

    def __init__(
        self, name: str, handlers: Handlers, pusher: NotifySender, groups: GroupCaller, threads: Threads
    ) -> None:
        self._groups = groups
        self._name = name
        self._handlers = handlers
        self._pusher = pusher
        self._threads = threads
        self._unknown = UnknownActions(name)
        self._started = time.monotonic()
        self._served = 0
        self.under_way: set[str] = set()
        """The ids of requests that are not answered yet."""
        self.stopping = False

    async def ProcessRequest(self, request: pb.UpstreamRequest, context: Context) -> pb.UpstreamResponse:
        """Answer one request. An error of the service goes to the client as its code, never as a gRPC error."""
        self._served += 1
        asked = self._asked(request, context)
        self.under_way.add(asked.request_id)
        try:
            reply = await self._answer(asked)
        finally:
            self.under_way.discard(asked.request_id)
        return pb.UpstreamResponse(
            code=reply.code,
            message=reply.message,
            data=reply.data,
            headers=reply.headers,
            client_seq_id=request.client_seq_id,
        )

    async def GetStatus(self, request: pb.StatusRequest, context: Context) -> pb.StatusResponse:  # noqa: ARG002
        """Say how long it has run, and how many requests are under way."""
        return pb.StatusResponse(
            status="stopping" if self.stopping else "running",
            uptime=int(time.monotonic() - self._started),
            active_connections=len(self.under_way),
            metadata={"service": self._name, "served": str(self._served)},
        )

    def _asked(self, request: pb.UpstreamRequest, context: Context) -> Request:
        metadata = {name: text for name, text in context.invocation_metadata() or () if isinstance(text, str)}
        headers = dict(request.headers)
        gateway = headers.pop(GATEWAY, "")  # the gateway's own, whatever the client wrote
        remaining = context.time_remaining()
        return Request(
            session_id=request.session_id,
            openid=request.openid,
            action=request.action,
            params=dict(request.params),
            data=request.data,
            headers=headers,
            gateway=gateway,
            number=request.client_seq_id,
            request_id=metadata.get(REQUEST_ID, f"{request.session_id}-{request.client_seq_id}"),
            metadata=metadata,
            deadline=time.monotonic() + (NO_DEADLINE if remaining is None else remaining),
            pusher=self._pusher,
            groups=self._groups,
            loop=asyncio.get_running_loop(),
        )

    async def _answer(self, request: Request) -> FinishedReply:
        handler = self._handlers.find(request.action)
        if handler is None:
            return FinishedReply(404, self._unknown.told(request.action, self._handlers.actions), b"", {})
        try:
            return finish(await handler.answer(request, self._threads.run))
        except ServiceError as error:
            return FinishedReply(error.code, error.message, b"", error.headers)
        except ImpossibleReply as error:
            _log.error("handler returned no answer", extra={**_named(request, handler), "reason": str(error)})
        except BaseException as error:  # whatever a handler may raise: the client is told that much, the log the rest
            if _is_from_outside(error):
                raise
            _log.exception("handler failed", extra=_named(request, handler))
        return FinishedReply(500, "the service failed", b"", {})


def _is_from_outside(error: BaseException) -> bool:
    """Whether it only came by this call, and the handler did not raise it: the call was cancelled, or Ctrl-C came.

    A program that has its own way with signals, as ``Service.run`` and ``asyncio.run`` have, gets no KeyboardInterrupt.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _named(request: Request, handler: Handler) -> dict[str, str]:
    ids = {"session": request.session_id, "openid": request.openid, "request": request.request_id}  # as the gateway's
    return {**ids, "action": request.action[:LONGEST_SHOWN], "handler": handler.where}
