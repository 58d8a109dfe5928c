from __future__ import annotations

import pytest

from quicgw_fast._proto import service_pb2 as pb
from quicgw_fast.errors import ConfigError
from quicgw_fast.upstream import GatewayCallFailed, GatewayClient


async def test_unreachable_gateway_is_named(unused_tcp_port: int) -> None:
    client = GatewayClient(f"127.0.0.1:{unused_tcp_port}")
    with pytest.raises(GatewayCallFailed, match=rf"127\.0\.0\.1:{unused_tcp_port} failed: DEADLINE_EXCEEDED"):
        await client.push(pb.UnicastPushRequest(), timeout=0.2)
    await client.close()


async def test_unusable_address_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="'nowhere' is no address"):
        GatewayClient("nowhere")
