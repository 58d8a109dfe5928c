from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from quicgw_fast.config import UpstreamConfig
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.upstream.grpcio.channel import GrpcChannel, target_of
from tests.upstream.conftest import side_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.raw_upstream import RawUpstream

    Start = Callable[[], Awaitable[RawUpstream]]

REQUEST = UpstreamRequest(action="x")


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("127.0.0.1:9001", "ipv4:127.0.0.1:9001"),
        ("[::1]:9001", "ipv6:[::1]:9001"),
        ("localhost:9001", "dns:///localhost:9001"),
    ],
)
def test_targets_name_their_scheme(address: str, target: str) -> None:
    assert target_of(address) == target


async def test_lost_watch_is_reported_and_leaves_the_instance_in_use(
    upstream: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("watch failed")

    async with grpc.aio.insecure_channel("ipv4:127.0.0.1:1") as channel:
        monkeypatch.setattr(type(channel), "wait_for_state_change", broken)
    server = await upstream()
    side = side_of(UpstreamConfig(hello=(server.address,)), open_channel=GrpcChannel)
    assert (await side.caller.call(REQUEST, 5.0)).code == 200
    assert side.directory.instances()[0].healthy
    await side.close()
    assert "upstream not followed any more" in caplog.text
