"""Where services find the gateway that called them (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.flow.call_back import told_address

if TYPE_CHECKING:
    from tests.flow.house import House


async def test_every_request_says_it_once_it_is_known(house: House) -> None:
    client = house.started()
    client.call("hello")
    await house.settle()
    house.path.call_back.be_at("127.0.0.1:8092")
    client.call("echo", headers={"gateway": "127.0.0.9:1", "k": "v"})
    client.call("", payload=b"\x0a\x04echo\x0a\x04echo")  # in a form that a protobuf library has to read
    await house.settle()
    told = [dict(call.request.headers) for call in house.upstream.calls]
    here = "127.0.0.1:8092"
    assert told == [{"gateway": ""}, {"gateway": here, "k": "v"}, {"gateway": here}]


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
    assert told_address(advertised, host, 8092) == told
