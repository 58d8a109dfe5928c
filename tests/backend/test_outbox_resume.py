"""Acknowledgement, and what a client that comes back is given again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.backend import FutureAck

from .sent import notify, numbers

if TYPE_CHECKING:
    from types import ModuleType

    from quicgw_fast.backend import Outbox

TOP = 2**64 - 1


def sender(engine: ModuleType, count: int, after: int = 0) -> tuple[Outbox, list[bytes]]:
    """Make an outbox that sent so many notifies, and their frames."""
    outbox = engine.Outbox(after=after)
    return outbox, [outbox.push(notify(engine, "n" * number)) for number in range(count)]


def test_an_acknowledgement_frees_what_it_covers(engine: ModuleType) -> None:
    outbox, _ = sender(engine, 5, after=10)
    assert [outbox.ack(seq) for seq in (10, 12, 12, 11, 0, 15)] == [0, 2, 0, 0, 0, 3]
    assert (outbox.acked_seq, outbox.retained, outbox.retained_bytes) == (15, 0, 0)
    with pytest.raises(FutureAck) as caught:
        outbox.ack(16)
    assert (caught.value.seq, caught.value.highest) == (16, 15)


def test_what_is_retained_is_what_was_sent(engine: ModuleType) -> None:
    outbox, frames = sender(engine, 5)
    assert outbox.replay(0, 10_000) == (b"".join(frames), 5)
    assert outbox.replay(3, 10_000) == (frames[3] + frames[4], 5)
    outbox.ack(4)
    assert outbox.retained_bytes == len(frames[4])
    # Below what was acknowledged there is nothing to give, so it begins there.
    assert outbox.replay(0, 10_000) == (frames[4], 5)


@pytest.mark.parametrize("after", [5, 6, TOP])
def test_nothing_is_left_to_replay(engine: ModuleType, after: int) -> None:
    outbox, _ = sender(engine, 5)
    assert outbox.replay(after, 10_000) == (b"", after)


def test_a_replay_comes_in_whole_frames_within_its_bound(engine: ModuleType) -> None:
    outbox, frames = sender(engine, 6)
    two = len(frames[0]) + len(frames[1])
    assert outbox.replay(0, two) == (frames[0] + frames[1], 2)
    assert outbox.replay(0, two - 1) == (frames[0], 1)
    for bound in (0, 1):
        assert outbox.replay(2, bound) == (frames[2], 3)

    replayed, last = b"", 0
    while last < outbox.last_seq:
        piece, last = outbox.replay(last, 30)
        replayed += piece
    assert numbers(replayed) == [1, 2, 3, 4, 5, 6]


def test_a_reply_is_replayed_message_by_message(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    outbox.accept(1)
    outbox.bind(1, True, notify(engine, "before"), 60.0)
    outbox.bind(1, False, notify(engine, "after"), 60.0)
    frames = outbox.reply(1, 1, 3, 200, "reply", b"", {})
    assert b"".join(outbox.replay(seq, 0)[0] for seq in range(3)) == frames
    outbox.ack(1)
    assert numbers(outbox.replay(0, 10_000)[0]) == [2, 3]


def test_missed_tells_responses_from_notifies(engine: ModuleType) -> None:
    outbox = engine.Outbox(after=10)
    outbox.accept(1)
    outbox.push(b"")  # 11
    outbox.bind(1, True, b"", 60.0)  # 12
    outbox.bind(1, False, b"", 60.0)  # 14
    outbox.reply(1, 1, 3, 200, "", b"", {})  # 13
    outbox.refuse(1, 400, "", "", {})  # 15
    outbox.hold(b"")
    outbox.release()  # 16

    expected = [(2, 4), (2, 4), (2, 3), (2, 2), (1, 2), (1, 1), (0, 1), (0, 0), (0, 0)]
    assert [outbox.missed(after) for after in (0, 10, 11, 12, 13, 14, 15, 16, TOP)] == expected
    outbox.ack(13)
    assert [outbox.missed(after) for after in (0, 13, 14)] == [(1, 2), (1, 2), (1, 1)]
    outbox.mark_overflow()
    assert [outbox.missed(after) for after in (0, 14, 16)] == [(1, 2), (1, 1), (0, 0)]
    outbox.close()
    assert outbox.missed(14) == (1, 1)
