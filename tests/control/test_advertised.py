"""Where services are told that they reach the gRPC port."""

from __future__ import annotations

import pytest

from quicgw_fast.control import advertised_address


@pytest.mark.parametrize(
    ("advertised", "host", "told"),
    [
        (None, "127.0.0.1", "127.0.0.1:8092"),
        (None, "localhost", "localhost:8092"),
        (None, "::1", "[::1]:8092"),
        (None, "0.0.0.0", ""),
        (None, "::", ""),
        ("localhost:7", "::", "localhost:7"),
        ("[::1]:7", "127.0.0.1", "[::1]:7"),
        ("localhost:0", "0.0.0.0", "localhost:8092"),
    ],
)
def test_what_is_told_where_a_port_is_bound(advertised: str | None, host: str, told: str) -> None:
    assert advertised_address(advertised, host, 8092) == told
