"""What a listener asks its gatekeeper and tells it, and that it does as it is bidden: for every maker."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from aioquic.quic.packet import QuicErrorCode

from quicgw_fast.codes import CloseCode
from quicgw_fast.ports import ConnectionRefusal, Deflection
from quicgw_fast.transport import TransportLimits
from tests.support.raw_initial import first_packet

from .helpers import HOST, MuteSocket, RawClient, Recorders, listening, until

if TYPE_CHECKING:
    from quicgw_fast.ports import Arrival, TurnedAway, UnprovenAnswer

pytestmark = pytest.mark.usefixtures("maker")

Identity = tuple[Path, Path]

SHUT = ConnectionRefusal(CloseCode.KICKED, "KICKED: not today")


@dataclass
class Porter:
    """Lets everybody in unless told otherwise, and remembers what it was asked and told."""

    at_first: list[TurnedAway] = field(default_factory=list)
    """How the next first packets are turned away unread, one each."""
    then: list[TurnedAway] = field(default_factory=list)
    """How the next ones that are read are."""
    behind: ConnectionRefusal | None = None
    """How those are whose handshake is complete."""
    silent: bool = False
    """Whether nothing is answered that anybody could have forged."""
    asked: list[tuple[str, Arrival]] = field(default_factory=list)
    answers: list[bool] = field(default_factory=list)
    """Of each that was asked about, whether it was a Retry."""
    inside: list[str] = field(default_factory=list)
    """The addresses of those that were let in and are not gone."""
    noises: list[str] = field(default_factory=list)
    failures: list[float] = field(default_factory=list)

    def initial(self, arrival: Arrival, /) -> TurnedAway | None:
        self.asked.append(("initial", arrival))
        return self.at_first.pop(0) if self.at_first else None

    def connection(self, arrival: Arrival, /) -> TurnedAway | None:
        self.asked.append(("connection", arrival))
        return self.then.pop(0) if self.then else None

    def established(self, arrival: Arrival, /) -> ConnectionRefusal | None:
        self.asked.append(("established", arrival))
        return self.behind

    def answer(self, answer: UnprovenAnswer, /) -> Deflection | None:
        self.answers.append(answer.retry)
        return Deflection.DROP if self.silent else None

    def entered(self, address: str, /) -> None:
        self.inside.append(address)

    def left(self, address: str, _now: float, /) -> None:
        self.inside.remove(address)

    def noise(self, address: str, _now: float, /) -> None:
        self.noises.append(address)

    def failed(self, until: float, /) -> None:
        self.failures.append(until)


async def test_the_questions_come_in_the_order_of_their_cost(identity: Identity) -> None:
    porter = Porter()
    async with (
        listening(identity, Recorders(), gatekeeper=porter) as listener,
        RawClient(listener.address) as client,
    ):
        await client.connected()
        await until(lambda: listener.connections == 1)
    assert [moment for moment, _ in porter.asked] == ["initial", "connection", "established"]
    assert not porter.answers


async def test_it_is_told_who_is_there(identity: Identity) -> None:
    porter = Porter()
    async with (
        listening(identity, Recorders(), gatekeeper=porter) as listener,
        RawClient(listener.address) as client,
        RawClient(listener.address) as other,
    ):
        await client.connected()
        await other.connected()
        await until(lambda: listener.connections == 2)
        assert len(porter.inside) == 2
        assert all(address.startswith(HOST) for address in porter.inside)
        with MuteSocket(listener.address) as late:
            late.send(first_packet())
            await until(lambda: listener.half_open == 1)
            listener.stop_accepting()
            late.send(first_packet())
            await until(lambda: listener.half_open == 2)
    first, last = [arrival for moment, arrival in porter.asked if moment == "connection"][-2:]
    assert (first.half_open, first.connections, first.proven, first.draining) == (0, 2, False, False)
    assert (last.half_open, last.connections, last.proven, last.draining) == (1, 2, False, True)
    assert first.address.startswith(HOST)
    assert not porter.inside, "all are gone"


@pytest.mark.parametrize("unread", [True, False])
async def test_who_has_to_prove_its_address_has_done_so_when_it_comes_back(identity: Identity, unread: bool) -> None:
    porter = Porter(at_first=[Deflection.RETRY]) if unread else Porter(then=[Deflection.RETRY])
    async with listening(identity, Recorders(), gatekeeper=porter) as listener, RawClient(listener.address) as client:
        await client.connected()
        assert client.retried
        assert listener.counters.retries == 1
    proven = [(moment, arrival.proven) for moment, arrival in porter.asked]
    before = [("initial", False)] if unread else [("initial", False), ("connection", False)]
    assert proven[: len(before) + 2] == [*before, ("initial", True), ("connection", True)]
    assert porter.answers == [True]


@pytest.mark.parametrize("unread", [True, False])
async def test_who_is_dropped_hears_nothing_and_may_try_again(identity: Identity, unread: bool) -> None:
    porter = Porter(at_first=[Deflection.DROP]) if unread else Porter(then=[Deflection.DROP])
    async with listening(identity, Recorders(), gatekeeper=porter) as listener:
        with MuteSocket(listener.address) as sender:
            sender.send(first_packet())
            await until(lambda: listener.counters.dropped == 1)
            assert not sender.answers()
            sender.send(first_packet())
            await until(lambda: listener.half_open == 1)
    assert not porter.answers


async def test_who_is_refused_is_told_why(identity: Identity) -> None:
    porter = Porter(then=[SHUT])
    async with listening(identity, Recorders(), gatekeeper=porter) as listener:
        async with RawClient(listener.address) as client:
            code, _, reason = await client.closed()
        assert (code, reason) == (QuicErrorCode.CONNECTION_REFUSED, SHUT.phrase)
        porter.behind = SHUT
        async with RawClient(listener.address) as client:
            code, frame_type, reason = await client.closed()
        assert (code, frame_type, reason) == (SHUT.code, None, SHUT.phrase)
        assert listener.counters.refused == 2
        assert listener.connections == 0
    assert porter.answers == [False]


async def test_nothing_is_answered_that_may_not_be(identity: Identity) -> None:
    porter = Porter(then=[Deflection.RETRY, SHUT], silent=True)
    async with listening(identity, Recorders(), gatekeeper=porter) as listener:
        with MuteSocket(listener.address) as sender:
            unknown_version = b"\xc0\x1a\x2a\x3a\x4a\x08" + bytes(8) + b"\x08" + bytes(8)
            sender.send(first_packet(), first_packet(), unknown_version.ljust(1200, b"\0"), b"\x40" + bytes(99))
            await until(lambda: listener.counters.dropped == 4)
            assert not sender.answers()
        counters = listener.counters
        assert (counters.retries, counters.version_negotiations, counters.stateless_resets) == (0, 0, 0)
    assert sorted(porter.answers) == [False, False, False, True]


async def test_it_is_told_of_noise_and_of_handshakes_that_fail(identity: Identity) -> None:
    porter = Porter()
    async with listening(identity, Recorders(), TransportLimits(handshake_timeout=30.0), gatekeeper=porter) as listener:
        with MuteSocket(listener.address) as sender:
            broken = bytearray(first_packet())
            broken[100] ^= 1
            sender.send(bytes(broken))
            await until(lambda: porter.noises)
            assert porter.noises[0].startswith(HOST)
            assert [moment for moment, _ in porter.asked] == ["initial"]
            begin = monotonic()
            sender.send(first_packet(alpn_protocols=["h3"]))
            await until(lambda: porter.failures)
    assert begin + 30.0 <= porter.failures[0] <= monotonic() + 30.0
