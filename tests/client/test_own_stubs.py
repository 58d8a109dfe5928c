"""A program with its own stubs from the same .proto files, and the SDK in one process: neither disturbs the other."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

OWN = "import client_pb2, service_pb2, service_pb2_grpc"
OURS = "import quicgw_fast.client, quicgw_fast.upstream\nfrom quicgw_fast.proto import client_pb2 as ours"

USE = """
import asyncio, grpc
from quicgw_fast.proto import service_pb2 as our_service
from quicgw_fast.proto.service_pb2_grpc import UpstreamServiceStub
import service_pb2, service_pb2_grpc

class Own(service_pb2_grpc.UpstreamServiceServicer):
    async def ProcessRequest(self, request, context):
        return service_pb2.UpstreamResponse(code=200, data=request.data, headers={"openid": request.openid})

async def main():
    server = grpc.aio.server()
    service_pb2_grpc.add_UpstreamServiceServicer_to_server(Own(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for stub, module in ((UpstreamServiceStub, our_service), (service_pb2_grpc.UpstreamServiceStub, service_pb2)):
            answer = await stub(channel).ProcessRequest(module.UpstreamRequest(openid="alice", data=b"x"), timeout=5)
            assert (answer.code, answer.data, answer.headers["openid"]) == (200, b"x", "alice")
    await server.stop(None)
    wire = client_pb2.ClientRequest(type=client_pb2.REQUEST_ACK, headers={"a": "b"}).SerializeToString()
    assert ours.ClientRequest.FromString(wire).headers["a"] == "b"
    assert ours.ClientRequest is not client_pb2.ClientRequest

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a program's stubs as its author would."""
    folder = tmp_path_factory.mktemp("stubs")
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'proto'}"]
    command += [f"--python_out={folder}", f"--grpc_python_out={folder}", "client.proto", "service.proto"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder


@pytest.mark.parametrize("order", [(OWN, OURS), (OURS, OWN)], ids=["own first", "ours first"])
async def test_both_can_be_used_in_one_process(stubs: Path, order: tuple[str, str]) -> None:
    path = os.pathsep.join([str(stubs), str(ROOT / "python")])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "\n".join([*order, USE]), env={**os.environ, "PYTHONPATH": path},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
