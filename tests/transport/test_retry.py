"""Who has to prove its address, and by which token (RFC 9000 §8.1)."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import pytest
from aioquic.buffer import Buffer
from aioquic.quic.packet import QuicPacketType, pull_quic_header

from quicgw_fast.ports import Arrival
from quicgw_fast.transport import TransportLimits
from quicgw_fast.transport.retry_tokens import RetryTokens
from tests.support.gatekeeper import gatekeeper
from tests.support.raw_initial import InitialMaker, first_packet

from .helpers import HOST, MuteSocket, RawClient, Recorders, listening, until

pytestmark = pytest.mark.usefixtures("maker")

Identity = tuple[Path, Path]


@pytest.mark.parametrize(
    "token",
    [b"short", b"no such token" * 4, RetryTokens().make((HOST, 1), b"o", b"s", 0.0)],
    ids=["short", "long", "of another gateway"],
)
async def test_a_token_that_is_not_ours_is_as_good_as_none(identity: Identity, token: bytes) -> None:
    """RFC 9000 §8.1.3: another server's, an earlier process's, or nonsense."""
    async with listening(identity, Recorders(echo=True)) as listener:
        async with RawClient(listener.address, token=token) as client:
            await client.connected()
            assert not client.retried
            client.send(b"hello")
            assert await client.received(5) == b"hello"
        assert listener.counters.invalid_tokens == 0
    async with (
        listening(identity, Recorders(), gatekeeper=gatekeeper(retry_above=0)) as listener,
        RawClient(listener.address, token=token) as client,
    ):
        await client.connected()
        assert client.retried


async def test_our_token_from_elsewhere_is_refused_at_once(identity: Identity) -> None:
    async with listening(identity, Recorders(), gatekeeper=gatekeeper(retry_above=0)) as listener:
        with MuteSocket(listener.address) as here, MuteSocket(listener.address) as there:
            start = first_packet()
            here.send(start)
            answers: list[bytes] = []
            await until(lambda: answers.extend(here.answers()) or answers)
            retry = pull_quic_header(Buffer(data=answers[0]))
            assert retry.packet_type is QuicPacketType.RETRY
            packet = InitialMaker(retry.source_cid).packet(b"\x01", retry.token)
            there.send(packet)
            await until(lambda: listener.counters.invalid_tokens == 1)
            await until(there.answers)
            assert listener.counters.accepted == 0
            here.send(packet)
            await until(lambda: listener.counters.accepted == 1)


async def test_first_packets_that_fail_at_once_start_retry_too(identity: Identity) -> None:
    """They cost as much as those that never go on, and are not half-open for a moment."""
    gate = gatekeeper(retry_above=8)
    async with listening(identity, Recorders(), TransportLimits(handshake_timeout=1.5), gatekeeper=gate) as listener:
        with MuteSocket(listener.address) as flood:
            for _ in range(8):
                flood.send(first_packet(alpn_protocols=["h3"]))
            await until(lambda: listener.counters.failed == 8)
            flood.send(first_packet(alpn_protocols=["h3"]))
            await until(lambda: listener.counters.retries == 1)
            assert listener.counters.accepted == 8
        async with RawClient(listener.address) as client:
            await client.connected()
            assert client.retried

        # Others have to prove nothing any more once the failures are as long ago as silence would be borne.
        await until(lambda: gate.connection(Arrival("192.0.2.1", False, 0, 0, False, monotonic())) is None)
        async with RawClient(listener.address) as client:
            await client.connected()
            assert not client.retried


async def test_first_packets_that_do_not_authenticate_are_noise_and_start_retry(identity: Identity) -> None:
    """Nothing is half-open for them, and an address that sent many has to be proven before anything of it is read."""
    async with listening(identity, Recorders(), gatekeeper=gatekeeper(noise=(1e-6, 50))) as listener:
        with MuteSocket(listener.address) as sender:
            for step in range(50):
                broken = bytearray(InitialMaker().packet(b"\x01"))
                broken[-1 - 7 * step] ^= 1
                sender.send(bytes(broken))
            await until(lambda: listener.counters.noise == 50)
            assert (listener.counters.dropped, listener.half_open) == (50, 0)
            sender.send(bytes(broken))
            await until(lambda: listener.counters.retries == 1)
        async with RawClient(listener.address) as client:
            await client.connected()
            assert client.retried
