"""How much of the gateway's gRPC calls is in memory at once: gRPC itself counts calls, not bytes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import grpc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Handler = grpc.RpcMethodHandler[Any, Any] | None
    Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]

ARRIVAL = 5.0
"""Seconds that a message may take to arrive once its turn has come."""


class Intake(grpc.aio.ServerInterceptor):
    """Reads at most so many messages of a method at once; ``places`` has the number by the full name of the method.

    What comes beyond that is not refused but waits unread, in the sender's memory. Each method has its own places, so
    that a slow one (a broadcast to all) holds up no other.
    """

    def __init__(self, places: Mapping[str, int], arrival: float = ARRIVAL) -> None:
        self.used = 0
        """Bytes of the messages that are being answered."""
        self._places = {method: asyncio.Semaphore(number) for method, number in places.items()}
        self._arrival = arrival

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Wait for a place, keep it to the end of the call, and see to it that the message comes in time."""
        handler = await continuation(handler_call_details)
        places = self._places.get(str(handler_call_details.method))
        if places is None or handler is None:
            return handler
        await places.acquire()
        # gRPC runs a whole call, its interceptors and the reading of its message in one task.
        task = cast("asyncio.Task[object]", asyncio.current_task())
        late = asyncio.get_running_loop().call_later(self._arrival, task.cancel)
        answer: Any = handler.unary_unary
        parse = cast("Callable[[bytes], Any]", handler.request_deserializer)
        size = 0

        def ended(_: object) -> None:
            late.cancel()
            places.release()
            self.used -= size

        def read(message: bytes) -> Any:
            nonlocal size
            size = len(message)
            self.used += size
            return parse(message)

        async def serve(request: Any, context: Any) -> Any:
            late.cancel()
            return await answer(request, context)

        task.add_done_callback(ended)

        return grpc.unary_unary_rpc_method_handler(serve, read, handler.response_serializer)
