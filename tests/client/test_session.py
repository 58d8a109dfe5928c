"""One session's numbers, without sockets and clocks."""

from __future__ import annotations

import pytest

from quicgw_fast.client.errors import NumberGap, ProtocolFailure
from quicgw_fast.client.messages import Ticket
from quicgw_fast.client.session import ACK_BYTES, OFFLINE_IDS, ClientSession, NumberedRequest, Start
from quicgw_fast.client.wire import ResumeClaim, StartAnswer
from quicgw_fast.codes import ResetReason


def fresh(session_id: str = "s1", epoch: str = "e1", reason: int = ResetReason.NONE) -> StartAnswer:
    return StartAnswer(session_id, epoch, False, 0, reason, 0, 30)


def resumed(max_client_seq: int, replay_from: int = 0, session_id: str = "s1", epoch: str = "e1") -> StartAnswer:
    return StartAnswer(session_id, epoch, True, max_client_seq, ResetReason.NONE, replay_from, 30)


def begun() -> ClientSession[NumberedRequest]:
    session: ClientSession[NumberedRequest] = ClientSession()
    assert session.claim() == ResumeClaim(attempt=1)
    assert session.started(fresh()).start is Start.FRESH
    return session


def ask(session: ClientSession[NumberedRequest], count: int) -> list[NumberedRequest]:
    requests = [NumberedRequest() for _ in range(count)]
    for request in requests:
        session.number(request)
    return requests


class TestRequests:
    def test_numbers_begin_at_one_and_have_no_holes(self) -> None:
        session = begun()
        assert session.next_seq == 1
        assert [request.seq for request in ask(session, 3)] == [1, 2, 3]

    def test_a_reply_ends_exactly_one(self) -> None:
        session = begun()
        requests = ask(session, 2)
        assert session.settle(2) is requests[1]
        assert session.settle(2) is None
        assert list(session.in_flight.values()) == requests[:1]

    def test_exactly_what_did_not_arrive_is_sent_again(self) -> None:
        session = begun()
        requests = ask(session, 5)
        session.settle(2)
        session.claim()
        outcome = session.started(resumed(3))
        assert outcome.start is Start.RESUMED
        assert outcome.resend == requests[3:]
        assert session.next_seq == 6

    def test_nothing_is_sent_again_when_all_arrived(self) -> None:
        session = begun()
        ask(session, 2)
        assert session.started(resumed(2)).resend == []

    def test_a_fresh_session_loses_all_and_numbers_from_one(self) -> None:
        session = begun()
        requests = ask(session, 2)
        session.logged_in = True
        session.claim()
        outcome = session.started(fresh("s2", "e2", ResetReason.EXPIRED))
        assert (outcome.start, outcome.lost, outcome.reason) == (Start.RESET, requests, ResetReason.EXPIRED)
        assert session.next_seq == 1
        assert not session.logged_in
        assert not session.in_flight

    def test_contradictions_are_not_believed(self) -> None:
        session = begun()
        ask(session, 3)
        session.settle(3)
        for answer in (resumed(2), resumed(3, session_id="other"), resumed(3, epoch="x"), resumed(3, replay_from=2)):
            with pytest.raises(ProtocolFailure):
                session.started(answer)
        with pytest.raises(ProtocolFailure):
            ClientSession[NumberedRequest]().started(resumed(0))

    def test_a_session_given_up_starts_fresh_and_counts_as_reset(self) -> None:
        session = begun()
        requests = ask(session, 1)
        session.receive(1, 0.0)
        session.forget()
        assert session.claim() == ResumeClaim(attempt=2)
        outcome = session.started(fresh("s2", "e2"))
        assert (outcome.start, outcome.lost) == (Start.RESET, requests)
        assert session.receive(1, 0.0)


class TestMessages:
    def test_in_order_and_once(self) -> None:
        session = begun()
        assert session.receive(1, 0.0)
        assert session.receive(2, 0.0)
        assert not session.receive(1, 0.0)
        assert not session.receive(2, 0.0)
        with pytest.raises(NumberGap) as caught:
            session.receive(4, 0.0)
        assert (caught.value.expected, caught.value.got) == (3, 4)
        assert session.receive(3, 0.0)

    def test_a_fresh_session_goes_on_behind_what_was_acknowledged(self) -> None:
        session = begun()
        for number in (1, 2, 3):
            session.receive(number, 0.0)
        session.keep_back(3)
        assert session.claim() == ResumeClaim(2, "s1", "e1", 2)
        session.started(fresh("s2", "e2", ResetReason.UNKNOWN_SESSION))
        assert session.receive(3, 0.0)

    def test_stored_notifies_are_remembered_for_long_not_for_ever(self) -> None:
        session = begun()
        assert session.first_time("a")
        assert not session.first_time("a")
        for number in range(OFFLINE_IDS):
            assert session.first_time(str(number))
        assert session.first_time("a")


class TestAcknowledging:
    def test_nothing_to_say_at_first(self) -> None:
        session = begun()
        assert session.ack_due(100.0) is None
        assert session.take_ack() is None

    def test_after_so_many_messages_or_so_much_time(self) -> None:
        session: ClientSession[NumberedRequest] = ClientSession(ack_every=3, ack_delay=0.05)
        session.claim()
        session.started(fresh())
        session.receive(1, 10.0)
        session.receive(2, 10.02)
        assert session.ack_due(10.02) == pytest.approx(0.03)
        assert session.ack_due(10.06) < 0  # type: ignore[operator]
        session.receive(3, 10.02)
        assert session.ack_due(10.02) == 0.0
        assert session.take_ack() == 3
        assert session.ack_due(11.0) is None
        session.receive(4, 12.0)
        assert session.ack_due(12.0) == pytest.approx(0.05)

    def test_where_few_requests_are_allowed_at_once_so_few_replies_may_wait(self) -> None:
        session = begun()
        seq = 0
        for in_flight, at_once in ((1, 1), (2, 1), (8, 4), (None, 32)):
            session.share_window(in_flight, None)
            for _ in range(at_once):
                assert session.ack_due(0.0) != 0.0
                seq += 1
                session.receive(seq, 0.0)
            assert session.ack_due(0.0) == 0.0
            assert session.take_ack() == seq

    def test_what_is_kept_back_holds_the_acknowledgement(self) -> None:
        session = begun()
        for number in range(1, 6):
            session.receive(number, 0.0)
        session.keep_back(3)
        session.keep_back(5)
        assert session.take_ack() == 2
        assert session.take_ack() is None
        session.hand_over(session.generation, 3, 1.0)
        assert session.take_ack() == 4
        session.hand_over(session.generation, 5, 1.0)
        assert session.take_ack() == 5

    def test_an_older_session_says_nothing_about_this_one(self) -> None:
        session = begun()
        old = session.generation
        session.receive(1, 0.0)
        session.keep_back(1)
        session.claim()
        session.started(fresh("s2", "e2", ResetReason.EPOCH))
        session.receive(1, 0.0)
        session.keep_back(1)
        session.hand_over(old, 1, 0.0)
        assert session.ackable == 0
        session.hand_over(session.generation, 1, 0.0)
        assert session.ackable == 1

    def test_start_acknowledges_too(self) -> None:
        session = begun()
        session.receive(1, 0.0)
        assert session.claim() == ResumeClaim(1, "s1", "e1", 2)
        session.started(resumed(0, replay_from=2))
        assert session.take_ack() is None


class TestTickets:
    def test_there_is_none_before_the_first_session(self) -> None:
        assert ClientSession[NumberedRequest]().ticket() is None

    def test_another_process_goes_on(self) -> None:
        first = begun()
        ask(first, 4)
        first.logged_in = True
        first.receive(1, 0.0)
        first.receive(2, 0.0)
        ticket = first.ticket()
        assert ticket == Ticket("s1", "e1", 2, True, 1)
        second: ClientSession[NumberedRequest] = ClientSession(ticket)
        assert second.claim() == ResumeClaim(2, "s1", "e1", 2)
        assert second.started(resumed(4, replay_from=3)).start is Start.RESUMED
        assert second.logged_in
        assert second.next_seq == 5
        assert second.receive(3, 0.0)

    def test_a_ticket_that_is_no_longer_good_is_a_reset(self) -> None:
        session: ClientSession[NumberedRequest] = ClientSession(Ticket("s1", "e1", 7))
        session.claim()
        outcome = session.started(fresh("s2", "e2", ResetReason.EXPIRED))
        assert outcome.start is Start.RESET
        assert not session.logged_in
        assert session.receive(8, 0.0)

    def test_attempts_grow_over_connections_processes_and_clocks(self) -> None:
        session = begun()
        assert session.claim(1000).attempt == 1000
        assert session.claim(900).attempt == 1001  # a clock that was set back
        written_down = session.ticket()
        session.claim(2000)
        assert written_down is not None
        again: ClientSession[NumberedRequest] = ClientSession(written_down)
        assert again.claim(2001).attempt == 2001, "the process died after another START"
        assert ClientSession(Ticket("s1", "e1", 2)).claim(3000).attempt == 3000, "a ticket of an earlier version"


class TestBytes:
    def test_bytes_are_a_reason_to_acknowledge_at_once(self) -> None:
        session = begun()
        session.receive(1, 0.0, ACK_BYTES - 1)
        assert session.ack_due(0.0) == 0.05
        session.receive(2, 0.0, 1)
        assert session.ack_due(0.0) == 0.0
        assert session.take_ack() == 2
        session.receive(3, 0.0, 10)
        assert session.ack_due(0.0) == 0.05

    def test_what_is_on_its_way_is_counted(self) -> None:
        session = begun()
        first, second = NumberedRequest(), NumberedRequest()
        session.number(first, 100)
        session.number(second, 20)
        assert session.bytes_in_flight == 120
        session.settle(1)
        session.settle(1)
        assert session.bytes_in_flight == 20
        session.claim()
        session.started(fresh("s2", "e2"))
        assert session.bytes_in_flight == 0
