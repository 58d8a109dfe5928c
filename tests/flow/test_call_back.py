"""Where services find the gateway that called them (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
