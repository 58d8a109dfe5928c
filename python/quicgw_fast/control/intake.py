"""How much of the calls to the gateway's gRPC port is in memory at once: gRPC itself counts calls, not bytes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import grpc

from quicgw_fast.control.peers import caller_address
from quicgw_fast.control.turns import Acquaintances, CallerTurns, TooManyWaiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from quicgw_fast.control.refusals import Refusals

    Context = grpc.aio.ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any] | None
    Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]

Answer = TypeVar("Answer")

ARRIVAL = 5.0
"""Seconds that a message may take to arrive once its turn has come."""


@dataclass(frozen=True, slots=True)
class Later(Generic[Answer]):
    """What a servicer returns whose answer takes long, and needs neither the message nor a place any more."""

    wait: Callable[[], Awaitable[Answer]]


class Intake(grpc.aio.ServerInterceptor):
    """Reads at most so many messages of a method at once; ``places`` has the number by the full name of the method.

    What comes beyond that waits unread, in the sender's memory. Each method has its own places, so that a slow one (a
    broadcast to all) holds up no other. ``streams`` has the methods whose calls last as long as their callers like, and
    how many there are at once; one more is refused.
    """

    def __init__(
        self, places: Mapping[str, int], streams: Mapping[str, int], refusals: Refusals, arrival: float = ARRIVAL
    ) -> None:
        self.used = 0
        """Bytes of the messages that are being answered."""
        self.begun = 0
        """Calls that have begun."""
        self.later = 0
        """Calls whose answer is a ``Later``, until it is written."""
        self._streams = dict(streams)
        """Calls of each that there may be more."""
        self._known = Acquaintances()
        self._turns = {method: CallerTurns(number, self._known) for method, number in places.items()}
        self._refusals = refusals
        self._arrival = arrival

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Put itself between gRPC and the servicer.

        Every call is taken as a stream: gRPC reads the message of any other before anybody is asked.
        """
        self.begun += 1
        handler = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None:
            return None
        turns = self._turns.get(method)
        if turns is not None and handler.unary_unary is not None:
            return grpc.stream_unary_rpc_method_handler(
                self._placed(turns, handler.unary_unary), handler.request_deserializer, handler.response_serializer
            )
        if turns is not None:
            return grpc.stream_stream_rpc_method_handler(
                self._placed(turns, handler.unary_stream), handler.request_deserializer, handler.response_serializer
            )
        if method in self._streams:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(method, handler), handler.request_deserializer, handler.response_serializer
            )
        return handler

    def _placed(self, turns: CallerTurns, answer: Any) -> Any:
        async def serve(_: object, context: Context) -> Any:
            caller = caller_address(context.peer())
            try:
                async with turns.place(caller):
                    answered = await self._answered(answer, await self._message(context, caller), context)
            except TooManyWaiting as error:
                await self._busy(context, caller, str(error))
            if self._known.add(caller):
                for each in self._turns.values():
                    each.welcome(caller)
            if not isinstance(answered, Later):
                return answered
            self.later += 1
            context.add_done_callback(self._is_over)  # type: ignore[arg-type]  # the stubs want a class
            return await answered.wait()

        return serve

    def _is_over(self, _: Any) -> None:
        self.later -= 1

    async def _answered(self, answer: Any, request: Any, context: Context) -> Any:
        size = request.ByteSize()
        self.used += size
        try:
            return await answer(request, context)
        finally:
            self.used -= size

    def _stream(self, method: str, handler: Any) -> Any:
        async def serve(_: object, context: Context) -> None:
            caller = caller_address(context.peer())
            if not self._streams[method]:
                await self._busy(context, caller, "as many as there may be are open already")
            self._streams[method] -= 1
            try:
                if handler.unary_stream is not None:
                    await handler.unary_stream(await self._message(context, caller), context)
                    return
                async for answered in handler.stream_stream(self._messages(context, caller), context):
                    await context.write(answered)
            finally:
                self._streams[method] += 1

        return serve

    async def _messages(self, context: Context, caller: str) -> AsyncIterator[Any]:
        while (message := await self._read(context, caller)) is not grpc.aio.EOF:
            yield message

    async def _message(self, context: Context, caller: str) -> Any:
        """The message of a call that has one."""
        message = await self._read(context, caller)
        if message is grpc.aio.EOF:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call has no message")
        return message

    async def _read(self, context: Context, caller: str) -> Any:
        """The next message, or EOF; a call ends whose message does not come in time."""
        try:
            async with asyncio.timeout(self._arrival):
                # Not by the iterator that gRPC offers: that keeps the message until the garbage is collected.
                return await context.read()
        except TimeoutError:
            self._known.discard(caller)
            self._refusals.note("grpc", "no-message", caller)
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"no whole message within {self._arrival:g} s")

    async def _busy(self, context: Context, caller: str, why: str) -> None:
        self._refusals.note("grpc", "busy", caller)
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, why)
