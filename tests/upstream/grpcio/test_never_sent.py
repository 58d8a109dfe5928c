"""What gRPC's words must say for a call to be made elsewhere."""

from __future__ import annotations

import grpc
import pytest

from quicgw_fast.upstream.grpcio.causes import never_sent

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
REFUSED = "failed to connect to all addresses; last error: UNKNOWN: {}: Failed to connect to remote host: refused"


@pytest.mark.parametrize(
    ("details", "address"),
    [
        (REFUSED.format("ipv4:127.0.0.1:9001"), "127.0.0.1:9001"),
        (REFUSED.format("ipv6:%5B::1%5D:9001"), "[::1]:9001"),
        ("errors resolving nobody:9001: [field:hostname lookup error: not found]", "nobody:9001"),
    ],
)
def test_there_was_no_connection(details: str, address: str) -> None:
    assert never_sent(UNAVAILABLE, details, address)


@pytest.mark.parametrize(
    ("status", "details"),
    [
        (UNAVAILABLE, REFUSED.format("ipv4:127.0.0.1:5432")),
        (UNAVAILABLE, REFUSED.format("ipv4:127.0.0.1:19001")),
        (UNAVAILABLE, "Socket closed"),
        (UNAVAILABLE, "errors resolving database:5432: [field:hostname lookup error: not found]"),
        (UNAVAILABLE, None),
        (grpc.StatusCode.INTERNAL, REFUSED.format("ipv4:127.0.0.1:9001")),
    ],
)
def test_it_may_have_run(status: grpc.StatusCode, details: str | None) -> None:
    assert not never_sent(status, details, "127.0.0.1:9001")
