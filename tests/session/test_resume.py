"""What a START means: every reset reason, whose session it is, and the exact gap (protocol §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import ResetReason
from quicgw_fast.session import Event, ResumeDecision, StartClaim, decide
from quicgw_fast.session.resume import Gap
from tests.session.making import REMEMBER, answer, make_registry, notify

if TYPE_CHECKING:
    from types import ModuleType

    from quicgw_fast.session import Registry, Session


class House:
    """A registry with alice, who got response 1, notify 2, response 3, notify 4, notify 5; 2 are acknowledged.

    One request is open, one notify waits for it, and one for the login.
    """

    def __init__(self, engine: ModuleType, **options: int) -> None:
        self.engine = engine
        self.registry: Registry = make_registry(engine, **options)
        self.alice: Session = self.registry.create("alice", 0, 0.0)
        outbox = self.alice.outbox
        for seq in (1, 2, 3):
            outbox.accept(seq)
        answer(self.alice, 1)
        outbox.push(notify(engine))
        answer(self.alice, 2)
        outbox.push(notify(engine))
        outbox.push(notify(engine))
        outbox.ack(2)

    def waiting(self) -> None:
        self.alice.outbox.bind(3, True, notify(self.engine), 1e9)
        self.alice.outbox.hold(notify(self.engine))

    def decide(
        self, last_acked: int, session_id: str = "", epoch: str = "", openid: str = "alice", now: float = 1.0
    ) -> ResumeDecision:
        return decide(StartClaim(openid, last_acked, session_id, epoch), self.registry, now)


@pytest.fixture
def house(engine: ModuleType) -> House:
    return House(engine)


# Resume


def test_an_old_client_resumes_by_openid_and_number(house: House) -> None:
    for last_acked in (2, 3, 5):
        verdict = house.decide(last_acked)
        assert verdict.resume is house.alice
        assert verdict.reason is ResetReason.NONE
        assert verdict.gap is None


def test_a_new_client_resumes_by_session_and_epoch(house: House) -> None:
    assert house.decide(4, house.alice.id, house.alice.epoch).resume is house.alice
    assert house.decide(4, house.alice.id).resume is house.alice
    assert house.decide(4, "", house.alice.epoch).resume is house.alice


def test_a_new_client_resumes_before_its_first_message(engine: ModuleType) -> None:
    registry = make_registry(engine)
    alice = registry.create("alice", 0, 0.0)
    assert decide(StartClaim("alice", 0, alice.id, alice.epoch), registry, 1.0).resume is alice


def test_nothing_named_is_a_fresh_start(house: House) -> None:
    for claim in (StartClaim("alice"), StartClaim("alice", 0, "", house.alice.epoch), StartClaim("nobody")):
        verdict = decide(claim, house.registry, 1.0)
        assert claim.fresh
        assert (verdict.resume, verdict.gap, verdict.reason) == (None, None, ResetReason.NONE)


def test_deciding_changes_nothing(house: House) -> None:
    for last_acked in range(8):
        house.decide(last_acked, house.alice.id, house.alice.epoch)
    outbox = house.alice.outbox
    assert (outbox.acked_seq, outbox.last_seq, outbox.retained, outbox.in_flight) == (2, 5, 3, 1)


# Reset


def test_unknown_session(house: House) -> None:
    for verdict in (house.decide(7, "f" * 32), house.decide(7, openid="nobody")):
        assert verdict.resume is None
        assert verdict.gap is not None
        assert verdict.gap.headers() == {"gap-reason": "UNKNOWN_SESSION", "gap-from": "8"}


@pytest.mark.parametrize("ended", [False, True])
def test_another_ones_session_looks_as_if_it_never_was(house: House, ended: bool) -> None:
    if ended:
        house.registry.end(house.alice, Event.STOPPED, 1.0)
    house.registry.create("mallory", 0, 0.0)
    foreign = house.decide(3, house.alice.id, house.alice.epoch, openid="mallory")
    invented = house.decide(3, "0" * 32, "0" * 16, openid="mallory")
    assert foreign == invented
    assert foreign.reason is ResetReason.UNKNOWN_SESSION
    assert foreign.lost is None


def test_an_unknown_id_does_not_fall_back_to_the_openid(house: House) -> None:
    assert house.decide(5, "f" * 32).reason is ResetReason.UNKNOWN_SESSION


def test_another_epoch(house: House) -> None:
    for verdict in (house.decide(3, house.alice.id, "another"), house.decide(3, "", "another")):
        assert verdict.gap is not None
        assert verdict.gap.headers() == {"gap-reason": "EPOCH", "gap-from": "4"}
        assert verdict.lost is None


def test_a_number_that_was_never_sent(house: House) -> None:
    verdict = house.decide(6)
    assert verdict.gap is not None
    # Such a number is of another history: nothing can be said of what its client has of this one.
    assert verdict.gap.headers() == {"gap-reason": "FUTURE_ACK", "gap-from": "7"}
    assert verdict.lost is None


def test_a_number_below_what_was_acknowledged(house: House) -> None:
    verdict = house.decide(1)
    assert verdict.gap is not None
    assert verdict.lost is house.alice
    assert verdict.gap.headers() == {
        "gap-reason": "NOT_RETAINED",
        "gap-from": "2",
        "gap-to": "5",
        "gap-responses": "1",
        "gap-notifies": "2",
        "gap-acknowledged": "1",
        "gap-unnumbered": "0",
        "gap-unanswered": "1",
    }


def test_zero_with_a_session_id_is_no_fresh_start(house: House) -> None:
    assert house.decide(0, house.alice.id, house.alice.epoch).reason is ResetReason.NOT_RETAINED


def test_an_overflowed_session(engine: ModuleType) -> None:
    house = House(engine, window_messages=5)
    outbox = house.alice.outbox
    outbox.bind(3, False, notify(engine), 1e9)
    outbox.push(notify(engine))
    outbox.push(notify(engine))  # 7: the window is full
    outbox.bind(3, True, notify(engine), 1e9)
    with pytest.raises(Exception, match="overflowed"):
        answer(house.alice, 3)  # with two notifies: three more do not fit into a reserve of one
    outbox.mark_overflow(notifies=1)  # a broadcast
    verdict = house.decide(3)
    assert verdict.gap is not None
    assert verdict.lost is house.alice
    assert verdict.gap.headers() == {
        "gap-reason": "OVERFLOW",
        "gap-from": "4",
        "gap-to": "7",
        "gap-responses": "1",  # the reply to 3
        "gap-notifies": "7",  # 4 to 7, and unnumbered: the two bound ones, the broadcast
        "gap-acknowledged": "0",
        "gap-unnumbered": "4",
        "gap-unanswered": "0",
    }


def test_an_overflow_is_a_reset_even_for_who_has_everything_that_was_numbered(house: House) -> None:
    house.alice.outbox.mark_overflow(notifies=1)
    assert house.decide(5).reason is ResetReason.OVERFLOW


def test_an_ended_session(house: House) -> None:
    house.waiting()
    house.registry.end(house.alice, Event.EXPIRED, 1.0)
    for verdict in (
        house.decide(3),
        house.decide(3, house.alice.id),
        house.decide(3, house.alice.id, house.alice.epoch),
    ):
        assert verdict.gap is not None
        assert verdict.lost is house.registry.ended_by_openid("alice", 1.0)
        assert verdict.gap.headers() == {
            "gap-reason": "EXPIRED",
            "gap-from": "4",
            "gap-to": "5",
            "gap-responses": "0",
            "gap-notifies": "4",  # 4, 5, the bound one, the one cached before login
            "gap-acknowledged": "0",
            "gap-unnumbered": "2",
            "gap-unanswered": "1",
        }


def test_an_ended_session_under_another_epoch_has_no_numbers_to_tell(house: House) -> None:
    house.registry.end(house.alice, Event.STOPPED, 1.0)
    verdict = house.decide(3, house.alice.id, "another")
    assert verdict.gap is not None
    assert verdict.gap.headers() == {"gap-reason": "EXPIRED", "gap-from": "4"}


def test_a_number_that_an_ended_session_never_sent_tells_nothing_of_it(house: House) -> None:
    """It is of another history: what this session had stored for its client must not count as received."""
    house.registry.end(house.alice, Event.EXPIRED, 1.0)
    verdict = house.decide(6)
    assert verdict.gap is not None
    assert verdict.gap.headers() == {"gap-reason": "EXPIRED", "gap-from": "7"}
    assert verdict.lost is None


def test_what_waits_in_a_live_session_is_part_of_its_gap(house: House) -> None:
    house.waiting()
    gap = house.decide(1).gap
    assert gap is not None
    assert (gap.notifies, gap.unnumbered) == (4, 2)


def test_a_forgotten_session_is_unknown(house: House) -> None:
    house.registry.end(house.alice, Event.STOPPED, 1.0)
    assert house.decide(3, now=1.0 + REMEMBER).reason is ResetReason.EXPIRED
    assert house.decide(3, now=1.5 + REMEMBER).reason is ResetReason.UNKNOWN_SESSION


def test_a_claim_of_an_ended_session_does_not_resume_the_one_after_it(house: House) -> None:
    house.registry.end(house.alice, Event.REPLACED, 1.0)
    house.registry.create("alice", 0, 1.0)
    verdict = house.decide(3, house.alice.id, house.alice.epoch)
    assert verdict.resume is None
    assert verdict.reason is ResetReason.EXPIRED


@pytest.mark.parametrize("last_acked", [1, 2, 3, 4, 5])
def test_the_gap_adds_up(house: House, last_acked: int) -> None:
    """Every number is acknowledged, a response or a notify; what has no number is told apart."""
    house.waiting()
    house.registry.end(house.alice, Event.EXPIRED, 1.0)
    gap = house.decide(last_acked).gap
    assert gap is not None
    assert isinstance(gap, Gap)
    assert gap.last is not None
    assert gap.responses is not None
    assert gap.notifies is not None
    assert gap.acknowledged is not None
    assert gap.unnumbered is not None
    missing = gap.responses + gap.notifies - gap.unnumbered + gap.acknowledged
    assert missing == gap.last - gap.first + 1
