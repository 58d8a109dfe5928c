"""A stand-in for an OpenTelemetry collector: a gRPC server that takes spans and keeps them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from grpc import aio
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as rpc

if TYPE_CHECKING:
    import grpc
    from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector(rpc.TraceServiceServicer):  # type: ignore[misc]
    """Takes what comes."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.address = ""

    async def start(self, address: str = "127.0.0.1:0", tls: grpc.ServerCredentials | None = None) -> str:
        """Listen, and return the address."""
        self._server = aio.server(options=[("grpc.so_reuseport", 0)])
        rpc.add_TraceServiceServicer_to_server(self, self._server)
        add = self._server
        port = add.add_insecure_port(address) if tls is None else add.add_secure_port(address, tls)
        await self._server.start()
        self.address = f"127.0.0.1:{port}"
        return self.address

    async def stop(self) -> None:
        """Stop at once."""
        await self._server.stop(None)

    async def __aenter__(self) -> Collector:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def Export(  # noqa: N802 - as of the service
        self, request: pb.ExportTraceServiceRequest, context: Any
    ) -> pb.ExportTraceServiceResponse:
        self.headers.append({key: str(value) for key, value in context.invocation_metadata()})
        for batch in request.resource_spans:
            self.resources.append({one.key: one.value.string_value for one in batch.resource.attributes})
            for scope in batch.scope_spans:
                self.spans += scope.spans
        return pb.ExportTraceServiceResponse()

    async def wait(self, count: int, name: str = "request", within: float = 20.0) -> list[Span]:
        """Wait for so many spans of a name, with which all that is below them has come; return all spans."""
        async with asyncio.timeout(within):
            while sum(span.name == name for span in self.spans) < count:
                await asyncio.sleep(0.01)
        return self.spans


def attributes(span: Span) -> dict[str, Any]:
    """Of a span, as Python has them."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def tree(spans: list[Span]) -> dict[str, list[str]]:
    """The names of what is right below each span, in the order in which they began; "" has those without a parent."""
    names = {span.span_id: span.name for span in spans}
    found: dict[str, list[str]] = {}
    for span in sorted(spans, key=lambda span: span.start_time_unix_nano):
        found.setdefault(names.get(span.parent_span_id, ""), []).append(span.name)
    return found
