"""Payloads that are not in the ordinary form: what can be read of them counts, as any protobuf library has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.wire import business

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]

UNUSUAL = {
    "an unknown field": (b"\x0a\x04echo\x1a\x02hi\x22\x01x", "hi"),
    "data that comes twice": (b"\x1a\x02no\x0a\x04echo\x1a\x02hi", "hi"),
    "an action that comes twice": (b"\x0a\x02no\x0a\x04echo", ""),
    "a number where data belongs": (b"\x0a\x04echo\x18\x01", ""),
}


@pytest.mark.parametrize(("payload", "data"), UNUSUAL.values(), ids=UNUSUAL)
async def test_a_payload_that_nobody_writes_but_everybody_can_read_is_a_request(
    make_house: MakeHouse, payload: bytes, data: str
) -> None:
    house = await make_house()
    client = await house.online()
    seq = client.call("", payload=payload)
    await house.settle()
    assert house.upstream.called()[-1] == "echo"
    assert business(client.reply(seq)).data.decode() == data


@pytest.mark.parametrize("payload", [b"\x0a", b"\x0a\x01\xff", b"\x12\x03\x0a\x01\xff", b"\x0a\x05echo"])
async def test_a_payload_that_nobody_can_read_is_400(make_house: MakeHouse, payload: bytes) -> None:
    house = await make_house()
    client = await house.online()
    seq = client.call("", payload=payload)
    await house.settle()
    assert client.error_of(seq).error_code == 400
    assert client.error_of(seq).error_message == "unparsable payload"
    assert client.error_of(seq).detail == f"{len(payload)} bytes are not a valid BusinessRequest"
