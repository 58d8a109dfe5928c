"""Nobody is sent more than three times what was sent in its name before it has proved its address (RFC 9000 §8.1)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.transport import TransportLimits
from tests.support.gatekeeper import gatekeeper
from tests.support.raw_initial import InitialMaker, crypto, first_packet, hello_of

from .helpers import MuteSocket, Recorders, listening, offender_and_witness, stream_frame, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("maker")

Identity = tuple[Path, Path]
MOST = 3
SHORTEST = 29
"""Bytes of a packet of one PING, at least."""


def size(datagrams: list[bytes]) -> int:
    """Bytes of all of them."""
    return sum(len(data) for data in datagrams)


@pytest.mark.parametrize("count", [1, 3], ids=["once", "again-and-again"])
async def test_a_first_packet_is_answered_with_three_times_its_bytes_at_most(identity: Identity, count: int) -> None:
    """Also with what is sent again because nobody answers, until the handshake is given up."""
    limits = TransportLimits(handshake_timeout=1.5)
    async with listening(identity, Recorders(), limits) as listener:
        with MuteSocket(listener.address) as victim:
            packet = first_packet()
            victim.send(*[packet] * count)
            await until(lambda: listener.half_open == 1)
            await until(lambda: listener.half_open == 0)
            answered = size(victim.answers())
            assert 1200 <= answered <= MOST * count * len(packet)


async def test_what_is_not_a_first_packet_of_full_size_is_not_answered(identity: Identity) -> None:
    """RFC 9000 §14.1: shorter ones are dropped, whatever is in them."""
    source, hello = hello_of()
    async with listening(identity, Recorders()) as listener:
        with MuteSocket(listener.address) as sender:
            for length in (21, 100, 600, 1199):
                maker = InitialMaker(source=source, size=length)
                sender.send(maker.packet(crypto(0, hello)[: maker.room()]))
            await until(lambda: listener.counters.dropped == 4)
            assert listener.half_open == 0
            assert listener.counters.accepted == 0
            assert not sender.answers()


@pytest.mark.parametrize("kind", ["noise", "unknown-version", "short-header", "early-data", "handshake", "genuine"])
async def test_a_flood_of_one_kind_is_answered_with_less_than_it_is(identity: Identity, kind: str) -> None:
    count = 2000
    source, hello = hello_of()

    def flood() -> Iterator[bytes]:
        packet = bytearray(InitialMaker().packet(b"\x01"))
        first = {"unknown-version": 0xC0, "early-data": 0xD0, "handshake": 0xE0}.get(kind, packet[0])
        for _ in range(count):
            if kind == "short-header":
                yield b"\x40" + os.urandom(99)
            elif kind == "genuine":
                yield InitialMaker(source=source).packet(crypto(0, hello))
            else:
                packet[0], packet[6:14] = first, os.urandom(8)
                if kind == "unknown-version":
                    packet[1:5] = b"\x1a\x2a\x3a\x4a"
                yield bytes(packet)

    gate = gatekeeper(retry_above=16, max_half_open=64)
    async with listening(identity, Recorders(), TransportLimits(handshake_timeout=0.5), gatekeeper=gate) as listener:
        sent = answered = 0
        with MuteSocket(listener.address) as sender:
            for number, data in enumerate(flood()):
                sender.send(data)
                sent += len(data)
                if number % 16 == 15:
                    await asyncio.sleep(0)
                    answered += size(sender.answers())
            await until(lambda: listener.half_open == 0)
            answered += size(sender.answers())
        assert answered < sent
        assert listener.counters.accepted <= 64


async def test_a_forged_address_is_sent_what_validates_it_and_no_data(identity: Identity, maker: str) -> None:
    """A client that asks for much and names somebody else as its sender (RFC 9000 §9.3.1).

    quinn's first datagrams to a new address are 1200 bytes and a probe of 1452, whatever came from there.
    """
    async with offender_and_witness(identity) as (_, offender, recorder):
        with strangers(1) as (victim,):
            offender.frames(stream_frame(0, 5, b" forged"), by=victim)
            await until(lambda: recorder.data == b"hello forged")
            recorder.connection.send(bytes(200_000))
            heard = await heard_by([victim])
            assert heard <= (MOST * 60 if maker.startswith("aioquic") else 1200 + 1452)


async def test_many_forged_addresses_are_sent_no_more_than_three_times_what_came_from_them(identity: Identity) -> None:
    async with offender_and_witness(identity) as (_, offender, recorder):
        with strangers(200) as victims:
            for number, victim in enumerate(victims):
                offender.frames(b"\x01", by=victim)
                if number % 10 == 9:
                    await asyncio.sleep(0)
            recorder.connection.send(bytes(200_000))
            assert await heard_by(victims) <= MOST * len(victims) * SHORTEST
            assert await offender.received(5 + 200_000)


@contextlib.contextmanager
def strangers(count: int) -> Iterator[list[socket.socket]]:
    """Sockets of somebody who has asked for nothing."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]
        for sock in found:
            sock.bind(("127.0.0.3", 0))
            sock.setblocking(False)
        yield found


async def heard_by(socks: list[socket.socket]) -> int:
    """Bytes that come to the sockets in a second."""
    heard = 0
    for _ in range(20):
        await asyncio.sleep(0.05)
        for sock in socks:
            with contextlib.suppress(BlockingIOError):
                while True:
                    heard += len(sock.recv(65536))
    return heard


async def test_a_closed_connection_answers_less_and_less_of_what_still_comes(identity: Identity) -> None:
    """RFC 9000 §10.2.1."""
    async with offender_and_witness(identity) as (_, offender, recorder):
        offender.reading = False
        recorder.connection.close(0, "NORMAL")
        await offender.closed()
        before = offender.quic._packet_number
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            other.setblocking(False)
            heard = count = 0
            for number in range(400):
                offender.frames(b"\x01", by=other)
                if number % 20 == 19:
                    await asyncio.sleep(0)
            await asyncio.sleep(0.1)  # for what is still answered; how much, is the question
            while True:
                try:
                    heard, count = heard + len(other.recv(65536)), count + 1
                except BlockingIOError:
                    break
        assert offender.quic._packet_number == before + 400
        assert count <= 40
