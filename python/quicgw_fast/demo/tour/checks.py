"""What must hold on a tape. Every check is a pure function and returns the violations it found, none being good."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from quicgw_fast.codes import RequestType
from quicgw_fast.demo.tour.tape import Received, TapeKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quicgw_fast.demo.tour.tape import Tape

ANSWERS = (TapeKind.REPLY, TapeKind.ERROR)
UNNUMBERED = (TapeKind.START, TapeKind.HEARTBEAT)


def numbers(tape: Tape) -> list[str]:
    """Check that every connection counts on without a gap (protocol §4).

    The first one begins at 1. A resumed one begins again where its START_RESP says, which is nowhere beyond what was
    received before.
    """
    found = []
    highest = expected = 0
    for message in tape.received:
        if message.kind in UNNUMBERED:
            if message.seq_id:
                found.append(f"{tape.name}: {message.kind} came with number {message.seq_id}")
            if message.kind is TapeKind.START:
                expected = message.replay_from
                if expected > highest + 1:
                    found.append(f"{tape.name}: resumed at {expected}, but {highest} was the last one received")
            continue
        if message.seq_id != expected:
            found.append(f"{tape.name}: {message.kind} has number {message.seq_id} where {expected} was due")
        expected = message.seq_id + 1
        highest = max(highest, message.seq_id)
    return found


def same_again(tape: Tape) -> list[str]:
    """Check that a number that came twice, which a resume may bring, came with the same message (protocol §5)."""
    found = []
    first: dict[int, Received] = {}
    for message in numbered(tape):
        known = first.setdefault(message.seq_id, message)
        if (known.kind, known.msg_id, known.payload) != (message.kind, message.msg_id, message.payload):
            found.append(f"{tape.name}: number {message.seq_id} came again as another message")
        elif known is not message and known.link == message.link:
            found.append(f"{tape.name}: number {message.seq_id} came twice on one connection")
    return found


def one_reply_each(tape: Tape) -> list[str]:
    """Check that every request on the tape has exactly one reply or error, and nothing else has (protocol §3)."""
    asked = {sent.msg_id for sent in tape.sent if sent.type == RequestType.BUSINESS}
    answers = Counter(message.msg_id for message in once(tape) if message.kind in ANSWERS)
    found = [f"{tape.name}: request {msg_id} has no reply" for msg_id in sorted(asked - answers.keys())]
    found += [f"{tape.name}: request {msg_id} has {count} replies" for msg_id, count in answers.items() if count > 1]
    found += [f"{tape.name}: reply to {msg_id}, which was never asked" for msg_id in sorted(answers.keys() - asked)]
    return found


def client_numbers(tape: Tape) -> list[str]:
    """Check this side too: requests are numbered on by one, or the gateway had been right to refuse them."""
    seqs = sorted({sent.seq_id for sent in tape.sent if sent.type == RequestType.BUSINESS})
    return [
        f"{tape.name}: request {later} was sent after {sooner}"
        for sooner, later in pairwise(seqs)
        if later != sooner + 1
    ]


def around(tape: Tape, reply_seq: int, before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Check that exactly the notifies with these texts stand right before and right after a reply (protocol §4)."""
    by_number = {message.seq_id: message for message in numbered(tape)}
    wanted = {reply_seq - len(before) + index: text for index, text in enumerate(before)}
    wanted |= {reply_seq + 1 + index: text for index, text in enumerate(after)}
    found = []
    for number, text in wanted.items():
        message = by_number.get(number)
        if message is None or message.kind is not TapeKind.NOTIFY or message.text != text:
            came = "nothing" if message is None else f"{message.kind} {message.text!r}"
            found.append(f"{tape.name}: notify {text!r} was due as number {number}, but {came} came")
    answer = by_number.get(reply_seq)
    if answer is None or answer.kind not in ANSWERS:
        found.append(f"{tape.name}: no reply has number {reply_seq}")
    return found


def received_times(tapes: Iterable[Tape], text: str, times: int = 1) -> list[str]:
    """Check that each client received the notify with this text so many times."""
    found = []
    for tape in tapes:
        count = sum(message.text == text for message in once(tape) if message.kind is TapeKind.NOTIFY)
        if count != times:
            found.append(f"{tape.name}: notify {text!r} came {count} times instead of {times}")
    return found


def equal(what: str, expected: object, got: object) -> list[str]:
    """Check that two values are the same."""
    return [] if expected == got else [f"{what}: {got!r} instead of {expected!r}"]


def ended_normally(tape: Tape) -> list[str]:
    """Check that the last connection was closed by the gateway with NORMAL, as STOP asks for (protocol §2)."""
    if not tape.closed:
        return [f"{tape.name}: the connection is still open"]
    last = tape.closed[-1]
    if last.code or not last.by_peer:
        who = "the gateway" if last.by_peer else "this side"
        return [f"{tape.name}: {who} closed the connection with code 0x{last.code:x} {last.reason!r}"]
    return []


def numbered(tape: Tape) -> list[Received]:
    """Return every message that has to have a number, in the order of arrival."""
    return [message for message in tape.received if message.kind not in UNNUMBERED]


def once(tape: Tape) -> list[Received]:
    """Return the numbered messages without those that a resume brought again."""
    return list({message.seq_id: message for message in reversed(numbered(tape))}.values())[::-1]
