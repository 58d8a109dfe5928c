"""First packets: whether they authenticate, and what their Retry token says (RFC 9000 §8.1)."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest
from aioquic.buffer import Buffer
from aioquic.quic.packet import pull_quic_header

from quicgw_fast.transport.aioquic.connection import AioquicConnection
from quicgw_fast.transport.aioquic.initials import authenticates
from quicgw_fast.transport.packets import VERSIONS
from quicgw_fast.transport.retry_tokens import RetryTokens, Standing, Token
from tests.support.gatekeeper import gatekeeper
from tests.support.raw_initial import InitialMaker, first_packet

from ..helpers import MuteSocket, RawClient, Recorders, listening, until
from .inside import inside

Identity = tuple[Path, Path]


def test_retry_tokens() -> None:
    tokens, address = RetryTokens(), ("127.0.0.1", 4000)
    token = tokens.make(address, b"original", b"source", now=100.0)

    def judge(token: bytes = token, address: object = address, cid: bytes = b"source", now: float = 101.0) -> Token:
        return tokens.judge(token, address, cid, now)

    assert judge() == Token(Standing.PROVEN, b"original")
    assert judge(now=129.0).standing is Standing.PROVEN
    # Ours, and wrong: its client takes no second Retry (RFC 9000 §8.1.2).
    assert judge(now=131.0) == Token(Standing.WRONG)
    assert judge(address=("127.0.0.1", 4001)) == Token(Standing.WRONG)
    assert judge(address=("127.0.0.2", 4000)) == Token(Standing.WRONG)
    assert judge(cid=b"another") == Token(Standing.WRONG)
    # Not ours.
    for cut in range(len(token)):
        assert judge(token[:cut]) == Token(Standing.UNKNOWN)
    assert judge(RetryTokens().make(address, b"original", b"source", now=100.0)) == Token(Standing.UNKNOWN)
    v6 = ("fe80::1%2", 5, 0, 2)
    assert judge(tokens.make(v6, b"o" * 20, b"s", now=1.0), v6, b"s", 2.0) == Token(Standing.PROVEN, b"o" * 20)


async def test_a_first_packet_that_does_not_authenticate_builds_nothing(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    real = AioquicConnection.__init__
    monkeypatch.setattr(AioquicConnection, "__init__", lambda self, *args: built.append(self) or real(self, *args))
    async with listening(identity, Recorders(), gatekeeper=gatekeeper(noise=(1e-6, 100))) as listener:
        ids = len(inside(listener)._endpoint.receivers)
        with MuteSocket(listener.address) as sender:
            for step in range(100):
                broken = bytearray(first_packet() if step < 5 else InitialMaker().packet(b"\x01"))
                broken[-1 - 7 * step if step >= 5 else 100] ^= 1
                sender.send(bytes(broken))
            await until(lambda: listener.counters.noise == 100)
            assert listener.counters.dropped == 100
            assert not built
            assert listener.half_open == 0
            assert len(inside(listener)._endpoint.receivers) == ids
            # It is counted: from now on the address has to prove itself, and is not looked at before.
            sender.send(bytes(broken))
            await until(lambda: listener.counters.retries == 1)
        async with RawClient(listener.address) as client:
            await client.connected()
            assert client.retried
        assert len(built) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_the_check_agrees_with_the_stack(version: int) -> None:
    rng = random.Random(3)
    for _ in range(60):
        data = bytearray(first_packet(version) if rng.random() < 0.5 else InitialMaker(version=version).packet(b"\x01"))
        buf = Buffer(data=bytes(data))
        header = pull_quic_header(buf)
        assert authenticates(bytes(data), header, buf.tell())
        too_short = dataclasses.replace(header, packet_length=buf.tell() + 19)
        assert not authenticates(bytes(data), too_short, buf.tell())
        data[rng.choice((0, 20, buf.tell(), buf.tell() + 2, header.packet_length - 1))] ^= 1
        if bytes(data[:1]) != buf.data[:1]:
            data[0] ^= 1 ^ 2  # another length of the packet number, and still a long header
        assert not authenticates(bytes(data), header, buf.tell())
