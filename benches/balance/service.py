"""A service in a process of its own: ``python -m benches.balance.service SECONDS ABREAST``.

It prints its address and works on ``ABREAST`` calls at a time, for so many seconds each; more wait. Each line that it
reads is another number of seconds.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc

from benches.compiled import ROOT
from quicgw_fast.proto.service_pb2 import StatusRequest, StatusResponse, UpstreamRequest, UpstreamResponse
from quicgw_fast.proto.service_pb2_grpc import UpstreamServiceServicer, add_UpstreamServiceServicer_to_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Working(UpstreamServiceServicer):
    """Answers after its time."""

    def __init__(self, seconds: float, abreast: int) -> None:
        self.seconds = seconds
        self._places = asyncio.Semaphore(abreast)

    async def ProcessRequest(
        self, request: UpstreamRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> UpstreamResponse:
        async with self._places:
            await asyncio.sleep(self.seconds)
        return UpstreamResponse(code=200, message="ok", data=request.data, client_seq_id=request.client_seq_id)

    async def GetStatus(self, request: StatusRequest, context: grpc.aio.ServicerContext[Any, Any]) -> StatusResponse:
        return StatusResponse(status="healthy")


async def serve(seconds: float, abreast: int) -> None:
    """Serve until the input ends."""
    service = Working(seconds, abreast)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add_UpstreamServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        service.seconds = float(line)
    await server.stop(None)


class Service:
    """One such process, as its owner sees it."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process = process
        self.address = address

    def take(self, seconds: float) -> None:
        """Have it work so long on each call from now on."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seconds}\n".encode())


@asynccontextmanager
async def service(seconds: float, abreast: int = 1000) -> AsyncIterator[Service]:
    """Run one; it is killed at the end, whatever state it is in."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benches.balance.service", str(seconds), str(abreast),
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield Service(process, (await process.stdout.readline()).decode().strip())
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]), int(sys.argv[2])))
