"""Every check of the demonstration finds what it is there for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import RequestType
from quicgw_fast.demo.tour import checks
from quicgw_fast.demo.tour.tape import Closed, Received, Sent, TapeKind
from tests.demo.tour.tapes import asked, good, notify, reply, start, tape

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.demo.tour.tape import Tape

EVERY = (checks.numbers, checks.same_again, checks.one_reply_each, checks.client_numbers, checks.ended_normally)


@pytest.mark.parametrize("check", EVERY)
def test_a_good_tape(check: Callable[[Tape], list[str]]) -> None:
    assert check(good()) == []


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        (tape(start(), reply(1, 1), reply(3, 2)), "tim: reply has number 3 where 2 was due"),
        (tape(start(), reply(2, 1)), "tim: reply has number 2 where 1 was due"),
        (tape(start(), reply(1, 1), notify(1, "x")), "tim: notify has number 1 where 2 was due"),
        (tape(start(), reply(0, 1)), "tim: reply has number 0 where 1 was due"),
        (tape(reply(1, 1)), "tim: reply has number 1 where 0 was due"),
        (tape(start(), Received(link=1, kind=TapeKind.HEARTBEAT, seq_id=1)), "tim: heartbeat came with number 1"),
        (
            tape(start(), reply(1, 1), start(2, 3), reply(3, 2, link=2)),
            "tim: resumed at 3, but 1 was the last one received",
        ),
        (tape(start(), reply(1, 1), start(2, 2), reply(3, 2, link=2)), "tim: reply has number 3 where 2 was due"),
    ],
)
def test_numbers(bad: Tape, found: str) -> None:
    assert checks.numbers(bad)[0] == found


def test_a_number_that_means_two_things() -> None:
    other = tape(start(), notify(1, "one"), start(2, 1), notify(1, "other", link=2))
    assert checks.same_again(other) == ["tim: number 1 came again as another message"]
    twice = tape(start(), notify(1, "one"), notify(1, "one"))
    assert checks.same_again(twice) == ["tim: number 1 came twice on one connection"]


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        (tape(start(), reply(1, 1), sent=asked(1, 2)), "tim: request 2 has no reply"),
        (tape(start(), reply(1, 1), reply(2, 1), sent=asked(1)), "tim: request 1 has 2 replies"),
        (
            tape(start(), reply(1, 1), reply(2, 1, kind=TapeKind.ERROR), sent=asked(1)),
            "tim: request 1 has 2 replies",
        ),
        (tape(start(), reply(1, 7), sent=[]), "tim: reply to 7, which was never asked"),
    ],
)
def test_replies(bad: Tape, found: str) -> None:
    assert checks.one_reply_each(bad) == [found]


def test_requests_are_numbered_without_a_gap() -> None:
    bad = tape(sent=asked(1, 3))
    assert checks.client_numbers(bad) == ["tim: request 3 was sent after 1"]
    again = tape(sent=[*asked(1, 2), Sent(link=2, type=RequestType.BUSINESS, msg_id=2, seq_id=2)])
    assert checks.client_numbers(again) == []


def test_around() -> None:
    right = tape(start(), notify(1, "before"), reply(2, 1), notify(3, "after"))
    assert checks.around(right, 2, ["before"], ["after"]) == []
    wrong = tape(start(), reply(1, 1), notify(2, "before"), notify(3, "after"))
    assert checks.around(wrong, 1, ["before"], []) == ["tim: notify 'before' was due as number 0, but nothing came"]
    assert checks.around(wrong, 1, [], ["after"]) == [
        "tim: notify 'after' was due as number 2, but notify 'before' came"
    ]
    assert checks.around(wrong, 2, [], ["after"]) == ["tim: no reply has number 2"]


def test_received_times() -> None:
    two = tape(start(), notify(1, "news"), notify(2, "news"))
    assert checks.received_times([two], "news") == ["tim: notify 'news' came 2 times instead of 1"]
    assert checks.received_times([good()], "news") == ["tim: notify 'news' came 0 times instead of 1"]
    # What a resume brought again did not come twice.
    assert checks.received_times([good()], "before") == []


def test_equal() -> None:
    assert checks.equal("codes", 200, 200) == []
    assert checks.equal("codes", 200, 500) == ["codes: 500 instead of 200"]


def test_how_it_ended() -> None:
    still = replace(good(), closed=[])
    assert checks.ended_normally(still) == ["tim: the connection is still open"]
    kicked = replace(good(), closed=[Closed(0x104, "KICKED: out", True)])
    assert checks.ended_normally(kicked) == ["tim: the gateway closed the connection with code 0x104 'KICKED: out'"]
    own = replace(good(), closed=[Closed(0, "NORMAL", False)])
    assert checks.ended_normally(own) == ["tim: this side closed the connection with code 0x0 'NORMAL'"]


def test_once_drops_what_a_resume_brought_again() -> None:
    assert [message.seq_id for message in checks.once(good())] == [1, 2, 3, 4]
