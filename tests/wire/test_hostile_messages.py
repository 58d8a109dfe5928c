"""Messages that are dear to read, or wrong inside: they may cost their own client something, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from tests.support.world import World


def business(payload: bytes = b"", **fields: object) -> bytes:
    """An envelope of the first request behind hello."""
    payload = payload or pb.BusinessRequest(action="echo").SerializeToString()
    request = pb.ClientRequest(msg_id=77, seq_id=2, type=pb.REQUEST_BUSINESS, payload=payload, **fields)  # type: ignore[arg-type]
    return request.SerializeToString()


async def test_ten_thousand_headers_are_passed_on(world: World) -> None:
    headers = {f"{number:05}": "x" for number in range(10_000)}
    async with world.bystander():
        client = await world.online("alice")
        client.send_raw(wire.frame(business(headers=headers)))
        assert wire.business(await client.reply(77)).code == 200
    assert len(world.zone.requests[-2].headers) >= 10_000


@pytest.mark.parametrize(
    "entry", [b"\x2a\x00", b"\x2a\x04\x0a\x00\x12\x00", b"\xf8\x7f\x00"], ids=["empty", "of-nothing", "unknown"]
)
async def test_a_megabyte_of_empty_fields_is_one_request(world: World, entry: bytes) -> None:
    async with world.bystander():
        client = await world.online("alice")
        body = business()
        client.send_raw(wire.frame(body + entry * ((wire.MAX_BODY - len(body)) // len(entry))))
        assert wire.business(await client.reply(77)).code == 200


@pytest.mark.parametrize(
    "wrong",
    [b"\xfb\x7f" * 1000 + b"\xfc\x7f" * 1000, b"\xfb\x7f" * 1000, b"\x2a\x05\x0a\x03\xff\xfe\xfd", b"\x32\x02\xc3\x28"],
    ids=["deep-groups", "open-groups", "header-no-utf-8", "openid-no-utf-8"],
)
async def test_an_envelope_that_is_wrong_inside_ends_its_connection(world: World, wrong: bytes) -> None:
    async with world.bystander():
        client = await world.online("alice")
        client.send_raw(wire.frame(business() + wrong))
        await assert_closed(client, CloseCode.PROTOCOL_ERROR)
        assert not [push for push in client.log if push.msg_id == 77 and push.type != pb.PUSH_ERROR]


@pytest.mark.parametrize(
    "payload",
    [
        b"\x0a\x02\xc3\x28",
        b"\x0a\x04echo" + b"\xfb\x7f" * 1000,
        b"\x12\x05\x0a\x03\xff\xfe\xfd",
        b"\x1a\xff\xff\xff\xff\x0f",
    ],
    ids=["action-no-utf-8", "open-groups", "parameter-no-utf-8", "longer-than-it-is"],
)
async def test_a_payload_that_is_wrong_inside_is_400_and_the_client_goes_on(world: World, payload: bytes) -> None:
    async with world.bystander():
        client = await world.online("alice")
        client.send_raw(wire.frame(business(payload)))
        assert wire.error(await client.reply(77)).error_code == 400
        client.next_seq = 3
        assert wire.business(await client.call("echo")).code == 200
        client.assert_gap_free()
