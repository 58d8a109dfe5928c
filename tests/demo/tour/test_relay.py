from __future__ import annotations

import asyncio
from typing import Any

from quicgw_fast.demo.tour.relay import Relay


class Peer(asyncio.DatagramProtocol):
    """Keeps what comes; answers it in capitals when it is the server."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers
        self.came: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.came.put_nowait(data)
        if self.answers:
            self.transport.sendto(data.upper(), addr)


async def test_the_relay_passes_on_and_goes_dark() -> None:
    loop = asyncio.get_running_loop()
    server, gateway = await loop.create_datagram_endpoint(lambda: Peer(answers=True), local_addr=("127.0.0.1", 0))
    async with Relay("127.0.0.1:{}".format(server.get_extra_info("sockname")[1])) as relay:
        host, port = relay.address.split(":")
        ends = [
            await loop.create_datagram_endpoint(lambda: Peer(answers=False), remote_addr=(host, int(port)))
            for _ in range(2)
        ]
        for number, (transport, client) in enumerate(ends):
            for word in (f"a{number}", f"b{number}"):
                transport.sendto(word.encode())
            assert {await client.came.get(), await client.came.get()} == {f"A{number}".encode(), f"B{number}".encode()}
        relay.dark = True
        transport, client = ends[0]
        transport.sendto(b"lost")
        async with asyncio.timeout(5):
            while not relay.dropped:
                await asyncio.sleep(0.001)
        relay.dark = False
        transport.sendto(b"found")
        assert await client.came.get() == b"FOUND"
        assert client.came.empty()
        assert b"lost" not in list(gateway.came._queue)  # type: ignore[attr-defined]
        for transport, _ in ends:
            transport.close()
    server.close()
    await asyncio.sleep(0)


async def test_a_relay_that_ends_in_the_middle_leaves_nothing_open() -> None:
    client = ("127.0.0.1", 9)
    async with Relay("127.0.0.1:9") as relay:
        relay._from_client(b"hello", client)
        await asyncio.sleep(0)  # its way to the gateway is being opened
        assert not relay._backs[client].done()
        tasks = list(relay._tasks)
    assert [task.cancelled() for task in tasks] == [True]
