"""A service behind the gateway: registers itself, answers `hello` and `echo`, and welcomes who logs in.

Usage: python login_service.py GATEWAY_GRPC_ADDRESS [LISTEN_ADDRESS]
"""

import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import (
    GatewayServiceStub,
    UpstreamServiceServicer,
    add_UpstreamServiceServicer_to_server,
)

REGISTER_EVERY = 5.0
"""Seconds. A gateway that was restarted remembers nobody, and doing it again changes nothing."""


class LoginService(UpstreamServiceServicer):
    """Lets everybody in; whether a token is good was the gateway's question."""

    def __init__(self, gateway: GatewayServiceStub) -> None:
        self._gateway = gateway

    def ProcessRequest(self, request: pb.UpstreamRequest, context: grpc.ServicerContext) -> pb.UpstreamResponse:
        """Answer one request. ``client_seq_id`` is its number, to which notifies are bound."""
        if request.action == "hello":
            self._welcome(request)
            return pb.UpstreamResponse(code=200, message="welcome", headers={"zone": "1", "gid": "g" + request.openid})
        return pb.UpstreamResponse(code=200, data=request.data)

    def GetStatus(self, request: pb.StatusRequest, context: grpc.ServicerContext) -> pb.StatusResponse:
        """Say that it runs."""
        return pb.StatusResponse(status="running")

    def _welcome(self, request: pb.UpstreamRequest) -> None:
        # Bound to the request: it arrives right behind the answer, whenever that is sent, and never before.
        self._gateway.PushToClient(
            pb.UnicastPushRequest(
                target_type="session",
                target_id=request.session_id,
                msg_type="welcome",
                title="Welcome",
                content=f"hello {request.openid}",
                sync_hint=pb.NSH_AFTER_RESPONSE,
                bind_client_seq_id=request.client_seq_id,
            ),
            timeout=5,
        )


def main(gateway_address: str, listen: str) -> None:
    """Serve until SIGTERM or Ctrl-C; then leave the gateway first, so that no call is lost."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with grpc.insecure_channel(gateway_address) as channel:
        gateway = GatewayServiceStub(channel)
        server = grpc.server(ThreadPoolExecutor(8))
        add_UpstreamServiceServicer_to_server(LoginService(gateway), server)
        port = server.add_insecure_port(listen)
        server.start()
        here = pb.UpstreamRegisterRequest(address=f"{listen.rpartition(':')[0]}:{port}", service_name="hello")
        while True:
            answer = gateway.RegisterUpstream(here, timeout=5, wait_for_ready=True)
            print(answer.message if answer.success else f"{answer.error_code}: {answer.message}", flush=True)
            if stop.wait(REGISTER_EVERY):
                break
        here.deregister = True
        gateway.RegisterUpstream(here, timeout=5)
        server.stop(grace=5).wait()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.splitlines()[-1])
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1:0")
