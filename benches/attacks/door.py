"""First packets, as fast as one machine can send them, from many ports: what each costs, and how much is answered."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

from aioquic.tls import Epoch

from benches.attacks.base import TICK, Sent, Target, attack
from tests.support.raw_initial import InitialMaker, crypto, hello_of
from tests.transport.helpers import RawClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PORTS = 300
ATTACKER = "127.0.0.2"


@contextlib.contextmanager
def ports(count: int = PORTS) -> Iterator[list[socket.socket]]:
    """So many sockets of an address that no honest client has."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]
        for sock in socks:
            sock.setblocking(False)
            sock.bind((ATTACKER, 0))
        yield socks


async def pour_from_many(target: Target, until: float, rate: float, make: Callable[[int], bytes]) -> Sent:
    """Send ``rate`` datagrams a second from ``PORTS`` ports, and count what is answered to them."""
    count = size = answered = 0
    with ports() as socks:
        begin = time.monotonic()
        while (now := time.monotonic()) < until:
            while count <= (now - begin) * rate and time.monotonic() < until:
                data = make(count)
                with contextlib.suppress(BlockingIOError):
                    socks[count % PORTS].sendto(data, target.address)
                count, size = count + 1, size + len(data)
            await asyncio.sleep(TICK)
            answered += heard(socks)
        await asyncio.sleep(0.2)
        answered += heard(socks)
    return Sent(count, size, f"answered with {answered / size:.2f} of the bytes")


def heard(socks: list[socket.socket]) -> int:
    """How many bytes have come to the sockets."""
    size = 0
    for sock in socks:
        with contextlib.suppress(BlockingIOError):
            while True:
                size += len(sock.recv(65536))
    return size


@attack()
async def random_initials(target: Target, until: float) -> Sent:
    """Initials of noise with random ids, from 300 ports, 5 000/s"""
    template = bytearray(InitialMaker().packet(b"\x01"))

    def make(_index: int) -> bytes:
        template[6:14] = os.urandom(8)
        return bytes(template)

    return await pour_from_many(target, until, 5000, make)


@attack()
async def genuine_initials(target: Target, until: float) -> Sent:
    """Genuine ClientHellos with random ids, from 300 ports, none of which goes on, 3 000/s"""
    source, hello = hello_of()

    def make(_index: int) -> bytes:
        return InitialMaker(source=source).packet(crypto(0, hello))

    return await pour_from_many(target, until, 3000, make)


@attack()
async def tiny_initials(target: Target, until: float) -> Sent:
    """Genuine Initials of 200 bytes, 5 000/s"""
    packet = InitialMaker(size=200).packet(b"\x01")
    return await pour_from_many(target, until, 5000, lambda _: packet)


@attack()
async def unknown_versions(target: Target, until: float) -> Sent:
    """Long headers of a version that nobody knows, 5 000/s"""
    packet = bytearray(InitialMaker().packet(b"\x01"))
    packet[1:5] = b"\x1a\x2a\x3a\x4a"
    return await pour_from_many(target, until, 5000, lambda _: bytes(packet))


@attack()
async def unknown_short(target: Target, until: float) -> Sent:
    """Short headers of no connection, 5 000/s"""
    return await pour_from_many(target, until, 5000, lambda _: b"\x40" + os.urandom(99))


@attack()
async def many_packets(target: Target, until: float) -> Sent:
    """Datagrams of 15 Initials of 80 bytes each, 3 000/s"""

    def make(index: int) -> bytes:
        maker = InitialMaker(destination=index.to_bytes(8, "big"), size=80)
        return b"".join(maker.packet(b"\x01") for _ in range(15))

    return await pour_from_many(target, until, 1000, make)


class Slow(RawClient):
    """A client that answers a Retry, and nothing that comes behind it."""

    def transmit(self) -> None:
        """Send what is due, as long as the server's first flight has not come."""
        if not self.quic._cryptos[Epoch.HANDSHAKE].recv.is_valid():
            super().transmit()


@attack()
async def slow_handshakes(target: Target, until: float) -> Sent:
    """Handshakes that prove their address and stop half-way, 150/s"""
    count = 0

    async def one() -> None:
        async with Slow(target.address, host=ATTACKER):
            await asyncio.sleep(5.5)  # longer than a handshake may take

    async with asyncio.TaskGroup() as group:
        while time.monotonic() < until:
            group.create_task(one())
            count += 1
            await asyncio.sleep(1 / 150)
    return Sent(count, 0)


@attack()
async def leaving_at_once(target: Target, until: float) -> Sent:
    """Whole handshakes of 20 clients, each of which leaves at once and comes again"""
    count = 0

    async def lane() -> None:
        nonlocal count
        while time.monotonic() < until:
            async with RawClient(target.address, host=ATTACKER) as client:
                with contextlib.suppress(AssertionError):
                    await client.connected()
                count += client.established

    await asyncio.gather(*(lane() for _ in range(20)))
    return Sent(count, 0)
