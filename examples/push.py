"""Send a notify to an openid, wherever it is connected, over plain gRPC.

Usage: python push.py GATEWAY_GRPC_ADDRESS OPENID TEXT
"""

import sys

import grpc

from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import GatewayServiceStub


def main(gateway: str, openid: str, text: str) -> int:
    """Push, and say what became of it: success is only said of what was really taken."""
    notify = pb.UnicastPushRequest(
        target_type="openid",
        target_id=openid,
        msg_type="mail",
        title="New mail",
        content=text,
        metadata={"from": "bob"},
    )
    with grpc.insecure_channel(gateway) as channel:
        answer = GatewayServiceStub(channel).PushToClient(notify, timeout=5)
    print(answer.message if answer.success else f"{answer.error_code}: {answer.message}")
    return 0 if answer.success else 1


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__.splitlines()[-1])
    sys.exit(main(*sys.argv[1:4]))
