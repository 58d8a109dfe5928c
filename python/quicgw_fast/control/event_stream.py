"""What happens to sessions, for those who watch over gRPC."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol

import grpc

from quicgw_fast.errors import WatchRefused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from quicgw_fast.proto import service_pb2 as pb

GATEWAY_NAME = "gateway"
"""Metadata at the beginning of the stream: what the process is called, before it has an event to tell."""


class EventSource(Protocol):
    """Who knows what happens to sessions."""

    @property
    def gateway(self) -> str:
        """What this process is called in its events."""

    def watch(self, request: pb.WatchEventsRequest) -> AsyncGenerator[pb.LifecycleEvent]:
        """Tell the events that are asked for; ends when no more will come. Raises WatchRefused at once."""


async def stream_events(
    source: EventSource, request: pb.WatchEventsRequest, context: grpc.aio.ServicerContext[Any, Any]
) -> None:
    """Write events for as long as the watcher takes them: the next one is made when the last one has left."""
    try:
        events = source.watch(request)
    except WatchRefused as error:
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
    await context.send_initial_metadata(((GATEWAY_NAME, source.gateway),))
    async with contextlib.aclosing(events):
        async for event in events:
            await context.write(event)
