"""What is pushed before the login waits for it, within bounds, and goes out right behind its reply (protocol §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import SyncHint
from quicgw_fast.proto.service_pb2 import UpstreamResponse

if TYPE_CHECKING:
    from tests.flow.house import House


async def test_what_was_cached_goes_out_right_behind_the_reply_and_its_notifies(house: House) -> None:
    house.upstream.held.add("hello")
    client = house.started()
    for number in range(3):
        told = await house.push(content=f"cached {number}")
        assert (told.success, told.message) == (True, "cached")
    await house.push(content="before", hint=SyncHint.BEFORE_RESPONSE, client_seq=1)
    await house.push(content="after", hint=SyncHint.AFTER_RESPONSE, client_seq=1)
    client.call("hello")
    client.call("echo", b"behind")
    await house.settle()
    await house.push(content="cached 3")
    assert not client.numbered
    house.upstream.waiting()[0].answer(data=b"welcome")
    await house.settle()
    assert client.texts == [
        "before",
        "200 welcome",
        "after",
        "cached 0",
        "cached 1",
        "cached 2",
        "cached 3",
        "200 behind",
    ]
    assert client.numbers == list(range(1, 9))


async def test_what_was_cached_waits_through_a_login_that_fails(house: House) -> None:
    client = house.started()
    await house.push(content="cached")
    house.upstream.answers["hello"] = UpstreamResponse(code=403)
    client.call("hello")
    await house.settle()
    assert client.texts == ["403 "]
    del house.upstream.answers["hello"]
    client.call("hello")
    await house.settle()
    assert client.texts == ["403 ", "200 ", "cached"]


async def test_what_was_cached_survives_a_lost_connection(house: House) -> None:
    client = house.started()
    await house.push(content="cached")
    client.link.lose()
    await house.push(content="cached too")
    again = house.back(client, 0)
    again.call("hello")
    await house.settle()
    assert again.texts == ["200 ", "cached", "cached too"]


async def test_the_cache_has_its_bounds(house: House) -> None:
    client = house.started()
    assert all([(await house.push()).success for _ in range(64)])
    told = await house.push()
    assert (told.success, told.error_code) == (False, "CACHE_FULL")
    client.call("hello")
    await house.settle()
    assert len(client.numbered) == 65
    assert (await house.push()).message == "sent"


async def test_the_cache_is_bounded_in_bytes_too(house: House) -> None:
    house.started()
    assert (await house.push(data=b"x" * 40_000)).message == "cached"
    assert (await house.push(data=b"x" * 40_000)).error_code == "CACHE_FULL"
    assert (await house.push(data=b"x" * 20_000)).message == "cached"
