"""Calls of the gRPC port without a token that it takes: refused before anything of them is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from quicgw_fast.control.peers import caller_address

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.control.refusals import Refusals
    from quicgw_fast.control.tokens import TokenSet

    Handler = grpc.RpcMethodHandler[Any, Any] | None
    Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]

HEALTH_CHECK = "/grpc.health.v1.Health/Check"
"""Open to all: load balancers ask it and have no token. ``Watch`` is not: whoever watches holds a call for good."""


class Callers(grpc.aio.ServerInterceptor):
    """Lets calls with a token through, and everybody while none is required."""

    def __init__(self, tokens: TokenSet, refusals: Refusals) -> None:
        self._tokens = tokens
        self._refusals = refusals
        # As if it were a stream: the message of any other call would be read first.
        self._refusal: Handler = grpc.stream_unary_rpc_method_handler(self._refuse)

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Go on, or answer UNAUTHENTICATED."""
        if not self._tokens.required or handler_call_details.method == HEALTH_CHECK:
            return await continuation(handler_call_details)
        shown = [value for key, value in handler_call_details.invocation_metadata or () if key == "authorization"]
        if any(self._tokens.take(_text(value)) for value in shown):
            return await continuation(handler_call_details)
        return self._refusal

    async def _refuse(self, _: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._refusals.note("grpc", "token", caller_address(context.peer()))
        await context.abort(
            grpc.StatusCode.UNAUTHENTICATED,
            "the gateway asks for a token: metadata `authorization: Bearer …`, one of control.grpc_token_file",
        )


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
