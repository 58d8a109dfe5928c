"""What every carrier does, whatever its bytes look like; a new one adds how a test writes them to ``WRITE``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.backend import FrameDecoder
from quicgw_fast.carrier import CARRIERS, MAX_BODY
from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import ProtocolError
from quicgw_fast.ports import Inflow, SlowSender
from quicgw_fast.proto.client_pb2 import REQUEST_BUSINESS, ClientRequest
from tests.support.wire import frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.ports import Carrier

WRITE: dict[str, Callable[[bytes], bytes]] = {"gatesvr": frame}
GARBAGE = b"\x0a\xff\xff\xff\xff"
PAUSE, RATE = 5.0, 1000


class Receiver:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.over = False
        self.requests: list[ClientRequest] = []
        self.failures: list[ProtocolError] = []
        self.held: list[int] = []
        """Bytes that were kept back, each time that it was told."""
        self.incomplete = False
        self.refuses = 0
        """The msg_id of a message that breaks the protocol."""
        self.refused_at_once = 0
        """So many messages of a crowd are not wanted."""
        self.offered: list[int] = []
        """How many it was asked about, each time."""
        self.ends: list[tuple[int, str, bool]] = []
        self.woken = 0

    def message(self, request: ClientRequest) -> None:
        if request.msg_id == self.refuses:
            raise ProtocolError(ErrorCode.BAD_REQUEST, "refused", "as the test wants it")
        self.requests.append(request)

    def turn_away(self, messages: list[bytes], begin: int) -> int:
        self.offered.append(len(messages) - begin)
        return min(self.refused_at_once, len(messages) - begin)

    def watch(self, incomplete: bool) -> None:
        self.incomplete = incomplete

    def fail(self, error: ProtocolError) -> None:
        self.failures.append(error)
        self.over = True

    def kept(self, held: int) -> None:
        self.held.append(held)

    def writable(self) -> None:
        self.woken += 1

    def closed(self, code: int, reason: str, by_peer: bool) -> None:
        self.ends.append((code, reason, by_peer))

    @property
    def numbers(self) -> list[int]:
        return [request.msg_id for request in self.requests]


class Crowd:
    """Switched by a test."""

    crowded = False


class Case:
    """A carrier between a test's bytes and a receiver, and time that the test moves."""

    def __init__(self, alpn: str) -> None:
        self.alpn = alpn
        self.now = 100.0
        self.receiver = Receiver()
        self.crowd = Crowd()
        slow = SlowSender(PAUSE, RATE)
        self.inflow = Inflow()
        make = CARRIERS[alpn]
        self.carrier: Carrier = make(self.receiver, FrameDecoder, lambda: self.now, slow, self.crowd, self.inflow)
        self.write = WRITE[alpn]

    def message(self, number: int, size: int = 10) -> bytes:
        request = ClientRequest(msg_id=number, type=REQUEST_BUSINESS, payload=bytes(size))
        return self.write(request.SerializeToString())


@pytest.fixture(params=sorted(CARRIERS))
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


def test_messages_come_whole_and_in_order_however_they_are_cut(case: Case) -> None:
    stream = b"".join(case.message(number) for number in range(1, 6))
    for at in range(len(stream)):
        case.carrier.received(stream[at : at + 1])
    case.carrier.received(stream)
    assert case.receiver.numbers == [1, 2, 3, 4, 5] * 2
    assert not case.receiver.incomplete


def test_what_cannot_be_parsed_ends_the_connection_behind_what_came_before(case: Case) -> None:
    case.carrier.received(case.message(1) + case.write(GARBAGE) + case.message(2))
    assert case.receiver.numbers == [1]
    assert [error.code for error in case.receiver.failures] == [ErrorCode.BAD_REQUEST]
    case.carrier.received(case.message(3))
    assert case.receiver.numbers == [1]


def test_what_the_receiver_refuses_ends_the_connection(case: Case) -> None:
    case.receiver.refuses = 2
    case.carrier.received(case.message(1) + case.message(2) + case.message(3))
    assert case.receiver.numbers == [1]
    assert len(case.receiver.failures) == 1


def test_no_message_is_longer_than_the_limit_and_the_first_one_is_short(case: Case) -> None:
    case.carrier.received(case.message(1) + case.message(2, MAX_BODY - 100))
    assert case.receiver.numbers == [1, 2]
    case.carrier.received(case.message(3, MAX_BODY))
    assert [error.code for error in case.receiver.failures] == [ErrorCode.TOO_LARGE]
    fresh = Case(case.alpn)
    fresh.carrier.received(fresh.message(1, 5000))
    assert [error.code for error in fresh.receiver.failures] == [ErrorCode.TOO_LARGE]


def test_held_messages_wait_unparsed_and_come_in_order(case: Case) -> None:
    case.carrier.received(case.message(1))
    case.carrier.hold()
    case.carrier.received(case.message(2) + case.write(GARBAGE) + case.message(3))
    assert case.carrier.held
    assert case.receiver.numbers == [1]
    assert not case.receiver.failures
    case.carrier.let_go()
    assert not case.carrier.held
    assert case.receiver.numbers == [1, 2]
    assert len(case.receiver.failures) == 1


def test_how_much_is_held_is_told_with_each_message(case: Case) -> None:
    """So that who sends too much before its answer can be turned away, whose business that is."""
    case.carrier.received(case.message(1))
    case.carrier.hold()
    for number in range(2, 6):
        case.carrier.received(case.message(number, MAX_BODY // 2))
    assert len(case.receiver.held) == 4
    assert case.receiver.held == sorted(case.receiver.held)
    assert case.receiver.held[-1] > 2 * MAX_BODY


def test_a_message_that_stands_around_half_is_told(case: Case) -> None:
    whole = case.message(1, 4000)
    case.carrier.received(whole[:100])
    assert case.receiver.incomplete
    assert not case.carrier.slow_for(case.now + PAUSE)
    assert "no byte of a message for 5 s" in case.carrier.slow_for(case.now + PAUSE + 0.1)
    case.now += 4.0
    case.carrier.received(whole[100:200])
    assert not case.carrier.slow_for(case.now + 1.1)
    assert "less than 1000 bytes a second" in case.carrier.slow_for(case.now + 2.0)
    case.carrier.received(whole[200:])
    assert not case.receiver.incomplete
    assert not case.carrier.slow_for(case.now + 1000.0)


def test_the_clock_of_slowness_begins_anew_with_each_message(case: Case) -> None:
    whole = case.message(1)
    case.carrier.received(whole[:3])
    for _ in range(20):
        case.now += 4.0
        case.carrier.received(whole[3:] + whole[:3])
        assert not case.carrier.slow_for(case.now + 4.0)


def test_room_and_the_end_are_the_receivers(case: Case) -> None:
    case.carrier.writable()
    case.carrier.closed(7, "NORMAL", True)
    assert (case.receiver.woken, case.receiver.ends) == (1, [(7, "NORMAL", True)])


def test_of_a_crowd_the_receiver_may_refuse_many_at_once_unparsed(case: Case) -> None:
    case.crowd.crowded = True
    case.receiver.refused_at_once = 2
    case.carrier.received(b"".join([case.message(1), case.write(GARBAGE), case.message(3)]))
    assert case.receiver.offered == [3, 1]
    assert not case.receiver.numbers
    assert not case.receiver.failures


def test_what_it_does_not_refuse_comes_one_by_one(case: Case) -> None:
    case.crowd.crowded = True
    case.carrier.received(case.message(1) + case.message(2))
    assert case.receiver.offered == [2, 1]
    assert case.receiver.numbers == [1, 2]
    case.crowd.crowded = False
    case.carrier.received(case.message(3))
    assert case.receiver.offered == [2, 1]


def test_what_is_held_is_offered_to_nobody(case: Case) -> None:
    case.carrier.received(case.message(1))
    case.carrier.hold()
    case.crowd.crowded = True
    case.carrier.received(case.message(2))
    assert not case.receiver.offered
    case.carrier.let_go()
    assert case.receiver.numbers == [1, 2]
