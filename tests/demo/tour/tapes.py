"""Tapes to check, good ones to begin with."""

from __future__ import annotations

from quicgw_fast.codes import RequestType
from quicgw_fast.demo.tour.tape import Closed, Received, Sent, Tape, TapeKind


def start(link: int = 1, replay_from: int = 1) -> Received:
    return Received(link=link, kind=TapeKind.START, replay_from=replay_from)


def reply(seq: int, msg_id: int, *, link: int = 1, kind: TapeKind = TapeKind.REPLY, payload: bytes = b"") -> Received:
    return Received(link=link, kind=kind, seq_id=seq, msg_id=msg_id, payload=payload)


def notify(seq: int, text: str, *, link: int = 1) -> Received:
    return Received(link=link, kind=TapeKind.NOTIFY, seq_id=seq, text=text, payload=text.encode())


def asked(*msg_ids: int) -> list[Sent]:
    return [Sent(link=1, type=RequestType.BUSINESS, msg_id=msg_id, seq_id=msg_id) for msg_id in msg_ids]


def tape(*received: Received, sent: list[Sent] | None = None) -> Tape:
    return Tape("tim", sent or [], list(received), [Closed(0, "NORMAL: bye", True)], 1)


def good() -> Tape:
    """Two requests, the second with a notify before and an error after a resume that brings some of it again."""
    return tape(
        start(),
        reply(1, 1),
        Received(link=1, kind=TapeKind.HEARTBEAT, msg_id=9),
        notify(2, "before"),
        reply(3, 2, kind=TapeKind.ERROR),
        start(link=2, replay_from=2),
        notify(2, "before", link=2),
        reply(3, 2, link=2, kind=TapeKind.ERROR),
        notify(4, "after", link=2),
        sent=asked(1, 2),
    )
