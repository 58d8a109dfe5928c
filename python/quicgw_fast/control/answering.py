"""What all calls of the gateway's services have in common: their answer, and what came with them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from quicgw_fast.log_ids import call_ids
from quicgw_fast.trace_context import trace_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    Answer = TypeVar("Answer")
    Context = grpc.aio.ServicerContext[Any, Any]

_log = logging.getLogger("quicgw.control")


async def answered(result: Awaitable[Answer], method: str, context: Context) -> Answer:
    """Await the gateway's answer; an unexpected error is logged and goes out as INTERNAL, without detail."""
    try:
        return await result
    except Exception:
        _log.exception("call failed", extra={"method": method, **call_ids(trace_of(metadata_of(context)))})
        await context.abort(grpc.StatusCode.INTERNAL, "internal error of the gateway")


def metadata_of(context: Context) -> dict[str, str]:
    """What came with the call, where it is text."""
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
