"""The gateway stops: what it accepted gets its reply, and each exactly one (protocol §6)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.support.wire import business

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]


async def test_a_stop_answers_everything_exactly_once(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_workers": 1})
    client = await house.online()
    house.upstream.held |= {"slow", "hello"}
    working, queued = client.call("slow"), client.call("echo")
    await house.settle()
    hello = client.call("hello")
    behind = [client.call("echo"), client.call("hello"), client.call("echo")]
    await house.settle()
    house.path.draining.refusing = True
    await house.stop(0.0)
    refused = client.call("echo")
    for seq in (working, hello):
        assert client.error_of(seq).error_code == 500, f"nobody knows what the service did about {seq}"
    for seq in (queued, *behind, refused):
        assert client.error_of(seq).error_code == 503, f"no service was asked for {seq}"
    assert client.numbers == list(range(2, 9))


async def test_a_stop_lets_what_was_accepted_finish_in_time(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_workers": 1})
    client = await house.online()
    house.upstream.held |= {"slow", "hello"}
    seqs = [client.call("slow"), client.call("echo"), client.call("hello"), client.call("echo")]
    await house.settle()
    house.path.draining.refusing = True
    stopping = asyncio.ensure_future(house.stop(60.0))
    await house.settle()
    assert not stopping.done()
    for call in house.upstream.waiting():
        call.answer()
    await stopping
    assert [business(client.reply(seq)).code for seq in seqs] == [200, 200, 200, 200]
