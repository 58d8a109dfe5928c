"""A UDP relay in front of a gateway that can go dark: what a tunnel does to a train's passengers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from quicgw_fast.config import join_address, split_address

if TYPE_CHECKING:
    from collections.abc import Callable

    Address = tuple[Any, ...]


class Relay:
    """Passes datagrams on in both directions, or drops all of them while ``dark`` is true."""

    def __init__(self, target: str) -> None:
        """``target`` is the gateway's host:port."""
        self.dark = False
        self.dropped = 0
        self._target = split_address(target)
        self._front: asyncio.DatagramTransport
        self._backs: dict[Address, asyncio.Future[asyncio.DatagramTransport]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Relay:
        """Listen on a free port of 127.0.0.1."""
        self._front, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Receiver(self._from_client), local_addr=("127.0.0.1", 0)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every socket."""
        self._front.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for back in self._backs.values():
            if back.done():
                back.result().close()

    @property
    def address(self) -> str:
        """Where clients connect to."""
        return join_address(*self._front.get_extra_info("sockname")[:2])

    def _from_client(self, data: bytes, client: Address) -> None:
        if self._drops():
            return
        back = self._backs.get(client)
        if back is not None and back.done():
            back.result().sendto(data)
        else:
            task = asyncio.ensure_future(self._open_and_send(data, client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open_and_send(self, data: bytes, client: Address) -> None:
        """Send a client's first datagrams: its own socket towards the gateway has to be opened for them."""
        if client not in self._backs:
            loop = asyncio.get_running_loop()
            self._backs[client] = loop.create_future()
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Receiver(lambda data, _: self._from_gateway(data, client)), remote_addr=self._target
            )
            self._backs[client].set_result(transport)
        (await self._backs[client]).sendto(data)

    def _from_gateway(self, data: bytes, client: Address) -> None:
        if not self._drops():
            self._front.sendto(data, client)

    def _drops(self) -> bool:
        self.dropped += self.dark
        return self.dark


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes, Address], None]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._receive(data, addr)
