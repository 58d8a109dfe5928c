"""The checker finds every kind of lie, and accepts what the protocol allows."""

from __future__ import annotations

import pytest

from quicgw_fast.proto import client_pb2 as pb
from tests.support.checker import History, Ledger, compare, lost


def response(epoch: str = "e1", *, resumed: bool = False, reason: int = 0, replay_from: int = 0) -> pb.StartResponse:
    return pb.StartResponse(
        success=True,
        connection_id="s-" + epoch,
        epoch=epoch,
        resumed=resumed,
        reset_reason=pb.ResetReason.Name(reason),  # type: ignore[arg-type]
        replay_from=replay_from,
    )


def notify(seq: int, push_id: str) -> pb.ServerPush:
    body = pb.BusinessResponse(code=200, data=push_id.encode())
    return pb.ServerPush(seq_id=seq, type=pb.PUSH_BUSINESS_DATA, payload=body.SerializeToString())


def reply(seq: int, msg_id: int) -> pb.ServerPush:
    push = notify(seq, "")
    push.msg_id = msg_id
    return push


def begun(*pushes: pb.ServerPush) -> History:
    history = History("c")
    history.starting(0, "")
    history.started(response(), {})
    for push in pushes:
        history.pushed(push)
    return history


def sent(*ids: str, refused: str = "") -> Ledger:
    ledger = Ledger()
    for push_id in ids:
        ledger.sending(push_id)
        ledger.outcome(push_id, push_id != refused, "WINDOW_FULL" if push_id == refused else "")
    return ledger


def resume(history: History, resume_from: int, answer: pb.StartResponse, *pushes: pb.ServerPush) -> History:
    history.starting(resume_from, "s-e1")
    history.started(answer, {})
    for push in pushes:
        history.pushed(push)
    return history


def test_everything_once_and_in_order_is_right() -> None:
    assert compare(begun(notify(1, "a"), reply(2, 9), notify(3, "b")), sent("a", "b")) == []


def test_replay_after_a_resume_is_dropped_and_right() -> None:
    history = begun(notify(1, "a"), notify(2, "b"))
    resume(history, 1, response(resumed=True, replay_from=2), notify(2, "b"), notify(3, "c"))
    assert compare(history, sent("a", "b", "c")) == []
    assert (history.replayed, history.last) == (1, 3)


def test_a_reset_explains_what_is_missing_between_two_epochs() -> None:
    history = begun(notify(1, "a"))
    resume(history, 1, response("e2", reason=3), notify(2, "d"))
    ledger = sent("a", "b", "c", "d")
    assert compare(history, ledger) == []
    assert lost(history, ledger) == ["b", "c"]


def test_a_reset_does_not_explain_what_is_missing_before_it() -> None:
    history = begun(notify(1, "a"), notify(2, "c"))
    resume(history, 2, response("e2", reason=3), notify(3, "d"))
    assert "b was accepted, never came" in " ".join(compare(history, sent("a", "b", "c", "d")))


def test_a_missing_tail_is_found_unless_a_reset_came_after_it() -> None:
    history = begun(notify(1, "a"))
    assert "b was accepted" in " ".join(compare(history, sent("a", "b")))
    resume(history, 1, response("e2", reason=1))
    assert compare(history, sent("a", "b")) == []


def test_a_fresh_session_without_a_reason_explains_nothing() -> None:
    history = begun(notify(1, "a"))
    history.starting(0, "")
    history.started(response("e2"), {})
    assert "b was accepted" in " ".join(compare(history, sent("a", "b")))


def test_an_unknown_outcome_may_come_or_not() -> None:
    ledger = sent("a", "c")
    ledger.order = {"a": 0, "b": 1, "c": 2}
    assert compare(begun(notify(1, "a"), notify(2, "c")), ledger) == []
    assert compare(begun(notify(1, "a"), notify(2, "b"), notify(3, "c")), ledger) == []


@pytest.mark.parametrize(
    ("history", "ledger", "what"),
    [
        (begun(notify(1, "a"), notify(3, "b")), sent("a", "b"), "expected number 2"),
        (begun(notify(1, "a"), notify(1, "a")), sent("a"), "expected number 2"),
        (begun(notify(1, "a"), notify(2, "a")), sent("a"), "received twice"),
        (begun(notify(1, "b"), notify(2, "a")), sent("a", "b"), "came after"),
        (begun(notify(1, "a")), sent("a", refused="a"), "was refused"),
        (begun(reply(1, 4), reply(2, 4)), sent(), "message 4 answered by"),
        (
            resume(begun(notify(1, "a")), 1, response(resumed=True, replay_from=2), notify(1, "a")),
            sent("a"),
            "expected",
        ),
        (
            resume(begun(notify(1, "a")), 0, response(resumed=True, replay_from=1), notify(1, "b")),
            sent(),
            "another content",
        ),
        (
            resume(begun(notify(1, "a")), 1, response("e2", resumed=True, replay_from=2)),
            sent("a"),
            "not as the session before",
        ),
        (resume(begun(notify(1, "a")), 1, response(resumed=True, replay_from=1)), sent("a"), "replay_from"),
        (resume(begun(notify(1, "a")), 1, response("e2")), sent("a"), "without a reason"),
        (resume(begun(notify(1, "a")), 1, response("e1", reason=3)), sent("a"), "under the epoch"),
        (
            resume(begun(notify(1, "a")), 1, response(resumed=True, replay_from=2, reason=2)),
            sent("a"),
            "at once",
        ),
    ],
)
def test_lies_are_found(history: History, ledger: Ledger, what: str) -> None:
    assert what in " ".join(compare(history, ledger))


def test_a_push_before_the_answer_to_start_is_found() -> None:
    history = History("c")
    history.starting(0, "")
    history.pushed(notify(1, "a"))
    assert "before START was answered" in history.problems[0]
