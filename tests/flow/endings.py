"""What the tests of endings need: clients that are away, and what a START_RESP says was missed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flow.house import Client, House


async def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread, the store's, has to do with."""
    async with asyncio.timeout(10.0):
        while not condition():
            await asyncio.sleep(0.001)


def gap(client: Client) -> dict[str, str]:
    """The report in the client's START_RESP."""
    return {k.removeprefix("gap-"): v for k, v in client.answer_headers.items() if k.startswith("gap-")}


def answered(client: Client) -> bool:
    """Whether its START was."""
    return any(push.seq_id == 0 for push in client.link.sent)


async def logged_in(house: House, openid: str = "alice", number: int = 1) -> Client:
    """A fresh client that is logged in and got ``number`` messages."""
    client = house.started(openid)
    client.call("hello")
    await until(lambda: len(client.numbers) >= number)
    return client


async def away(house: House, openid: str, *contents: str) -> Client:
    """A client whose connection is gone, with notifies that were retained for it since."""
    client = await logged_in(house, openid)
    client.ack(1)
    client.link.lose()
    for content in contents:
        assert (await house.push(openid, content=content)).message == "retained"
    return client
