"""How an address is written for gRPC."""

from __future__ import annotations

import pytest

from quicgw_fast.upstream.grpcio.channel import target_of


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
