"""Who gets in: limits on handshakes and connections, Retry, version negotiation, garbage."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from aioquic.quic.packet import QuicErrorCode

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import ConnectFailed, TransportLimits, makers
from tests.support.gatekeeper import gatekeeper
from tests.support.raw_initial import InitialMaker, crypto, first_packet
from tests.support.usual import Watch

from .helpers import HOST, MuteSocket, RawClient, Recorders, dial, listening, until

pytestmark = pytest.mark.usefixtures("maker")

Identity = tuple[Path, Path]


async def test_a_handshake_flood_meets_retry_and_honest_clients_get_in(identity: Identity) -> None:
    server = Recorders(echo=True)
    async with listening(identity, server, gatekeeper=gatekeeper(retry_above=8)) as listener:
        with MuteSocket(listener.address) as flood:
            flood.send(*(first_packet() for _ in range(8)))
            await until(lambda: listener.half_open == 8)
            flood.send(*(first_packet() for _ in range(12)))
            await until(lambda: listener.counters.retries == 12)
            assert listener.half_open == 8
            async with RawClient(listener.address) as client:
                await client.connected()
                assert client.retried
                client.send(b"hello")
                assert await client.received(5) == b"hello"


async def test_at_most_so_many_half_open_connections(identity: Identity) -> None:
    limits, gate = TransportLimits(handshake_timeout=1.0), gatekeeper(retry_above=100, max_half_open=5)
    async with listening(identity, Recorders(), limits, gatekeeper=gate) as listener:
        with MuteSocket(listener.address) as flood:
            flood.send(*(first_packet() for _ in range(12)))
            await until(lambda: listener.counters.dropped == 7)
            assert listener.half_open == 5
            await until(lambda: listener.half_open == 0)  # the handshake timeout
            flood.send(first_packet())
            await until(lambda: listener.half_open == 1)


async def test_a_full_gateway_says_so_in_words_that_clients_understand(identity: Identity) -> None:
    server, watch = Recorders(), Watch()
    gate = gatekeeper(max_connections=1)
    async with listening(identity, server, observer=watch, gatekeeper=gate) as listener:
        async with RawClient(listener.address) as first:
            await first.connected()
            async with RawClient(listener.address) as second:
                code, frame_type, reason = await second.closed()
                assert (code, frame_type) == (CloseCode.OVERLOADED, None)
                assert reason.startswith("OVERLOADED: the gateway is full")
                assert "retry-after-ms" in reason
                assert listener.counters.refused == 1
                assert watch.refusals == [("127.0.0.1", reason)]
            assert len(server) == 1
            assert listener.connections == 1
        await until(lambda: listener.connections == 0)
        async with RawClient(listener.address) as third:
            await third.connected()


async def test_how_often_a_full_gateway_explains_itself_is_bounded(identity: Identity) -> None:
    gate = gatekeeper(max_connections=1, turning_away=(1e-6, 2))
    async with listening(identity, Recorders(), gatekeeper=gate) as listener, RawClient(listener.address) as first:
        await first.connected()
        ends = []
        for _ in range(4):
            async with RawClient(listener.address) as other:
                ends.append(await other.closed())
        assert [end[0] for end in ends] == [CloseCode.OVERLOADED] * 2 + [QuicErrorCode.CONNECTION_REFUSED] * 2
        assert all(end[2].startswith("OVERLOADED: ") for end in ends)
        assert listener.counters.refused >= 4
        assert first.close_seen is None


async def test_a_place_that_became_free_meanwhile_is_given(identity: Identity) -> None:
    server = Recorders(echo=True)
    async with (
        listening(identity, server, gatekeeper=gatekeeper(max_connections=1)) as listener,
        RawClient(listener.address) as first,
        RawClient(listener.address) as second,
    ):
        second.reading = False
        await first.connected()
        await until(lambda: listener.half_open == 1)
        first.quic.close(error_code=0)
        first.transmit()
        await until(lambda: listener.connections == 0)
        second.reading = True
        second.transmit()
        second.send(b"hello")
        assert await second.received(5) == b"hello"


async def test_stop_accepting_keeps_what_is_there(identity: Identity) -> None:
    async with listening(identity, Recorders(echo=True)) as listener, RawClient(listener.address) as first:
        await first.connected()
        await until(lambda: listener.connections == 1)
        listener.stop_accepting()
        async with RawClient(listener.address) as second:
            code, _, reason = await second.closed()
            assert code == QuicErrorCode.CONNECTION_REFUSED
            assert reason.startswith("DRAINING: ")
        first.send(b"still here")
        assert await first.received(10) == b"still here"


async def test_a_handshake_under_way_when_accepting_stops_is_turned_away(identity: Identity) -> None:
    server = Recorders()
    async with listening(identity, server) as listener, RawClient(listener.address) as client:
        client.reading = False
        await until(lambda: listener.half_open == 1)
        await until(lambda: client.established)
        listener.stop_accepting()
        client.reading = True
        client.transmit()
        assert (await client.closed())[0] == CloseCode.DRAINING
        assert not server


async def test_garbage_is_dropped_and_answered_with_nothing_longer(identity: Identity) -> None:
    rng = random.Random(7)
    server = Recorders(echo=True)
    async with listening(identity, server) as listener, RawClient(listener.address) as witness:
        await witness.connected()
        with MuteSocket(listener.address) as sender:
            sent = 0
            for _ in range(150):
                valid = first_packet()
                junk = rng.randbytes(rng.choice((1, 5, 20, 60, 300, 1200, 1350)))
                broken = bytearray(valid)
                for _ in range(rng.randrange(1, 8)):
                    broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
                sender.send(junk, valid[: rng.randrange(1, len(valid))], bytes(broken))
                sent += len(junk) + len(broken)
            witness.send(b"all is well")
            assert await witness.received(11) == b"all is well"
            assert sum(map(len, sender.answers())) < 3 * sent
        assert listener.connections == 1
        assert listener.counters.dropped > 150


async def test_handshakes_that_fail_are_told_with_their_reason(identity: Identity) -> None:
    watch = Watch()
    limits = TransportLimits(handshake_timeout=1.0)
    async with listening(identity, Recorders(), limits, observer=watch) as listener:
        async with RawClient(listener.address, alpn=["h3"]) as client:
            await client.closed()
        await until(lambda: watch.faults == ["alpn"])
        with pytest.raises(ConnectFailed):
            await dial(*listener.address, factory=Recorders())  # it does not trust the certificate
        await until(lambda: watch.faults == ["alpn", "tls"])
        with MuteSocket(listener.address) as mute:
            mute.send(first_packet())
            await until(lambda: watch.faults == ["alpn", "tls", "timeout"])
            mute.send(InitialMaker().packet(b"\x08\x00x"))  # a STREAM frame, which has no place there
            await until(lambda: watch.faults == ["alpn", "tls", "timeout", "protocol"])
            mute.send(InitialMaker().packet(b"\x1c\x00\x00\x00" + crypto(0, b"")))
            await until(lambda: watch.faults == ["alpn", "tls", "timeout", "protocol", "left"])
        assert listener.counters.failed == 5
        assert all(peer.startswith(f"{HOST}:") for peer in watch.peers)
        assert "the handshake took too long" in watch.reasons[2]
    assert len(watch.faults) == 5


@pytest.mark.parametrize("cid", [8, 20, 40])
async def test_version_negotiation(identity: Identity, maker: str, cid: int) -> None:
    destination, source = bytes(range(cid)), bytes(range(100, 100 + cid))
    header = b"\xc0" + (0x1A2A3A4A).to_bytes(4, "big") + bytes((cid,)) + destination + bytes((cid,)) + source
    async with listening(identity, Recorders()) as listener:
        with MuteSocket(listener.address) as sender:
            sender.send(header)  # too short to be answered
            sender.send(b"\xc0" + bytes(4) + header[5:].ljust(1300, b"\0"))  # a negotiation packet itself
            sender.send(header.ljust(1200, b"\0"))
            await until(lambda: listener.counters.version_negotiations == 1)
            answers: list[bytes] = []
            await until(lambda: answers.extend(sender.answers()) or answers)
        assert len(answers) == 1
        head, rest = answers[0][:5], answers[0][5:]
        assert head[0] & 0x80
        assert head[1:] == bytes(4)
        assert rest[: 1 + cid] == bytes((cid,)) + source
        assert rest[1 + cid : 2 + 2 * cid] == bytes((cid,)) + destination
        versions = rest[2 + 2 * cid :]
        assert versions == b"".join(version.to_bytes(4, "big") for version in makers.load(maker).VERSIONS)


async def test_every_version_is_spoken(identity: Identity, maker: str) -> None:
    async with listening(identity, Recorders(echo=True)) as listener:
        for version in makers.load(maker).VERSIONS:
            async with RawClient(listener.address, supported_versions=[version]) as client:
                await client.connected()
                assert client.quic._version == version
                client.send(b"hi")
                assert await client.received(2) == b"hi"
