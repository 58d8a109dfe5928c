"""Outbox: the ordered step and what surrounds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from benches.micro.conftest import MAKERS
from quicgw_fast import backend
from quicgw_fast.proto import client_pb2

if TYPE_CHECKING:
    from benches.micro.conftest import Measure

SIZE = 300
DATA = bytes(64)
HEADERS = {"zone": "3", "gid": "g-17"}
NOTIFY = ("[news] title", b"content", {"notify-type": "news", "notify-title": "title", "notify-content": ""})
AROUND = "Outbox.reply, 1 before + 1 after"


def roomy(who: str, **more: Any) -> Any:
    return backend.load(who).Outbox(window_messages=10**6, window_bytes=10**9, bind_total=10**6, **more)


def with_requests(who: str, *, notifies: bool) -> Any:
    """Make an outbox with requests in flight, each with one notify on both sides if wished."""
    outbox = roomy(who)
    body = backend.load(who).encode_body(3, 200, *NOTIFY)
    for seq in range(1, SIZE + 1):
        outbox.accept(seq)
        if notifies:
            outbox.bind(seq, True, body, 60.0)
            outbox.bind(seq, False, body, 60.0)
    return outbox.reply


@pytest.mark.parametrize("who", MAKERS)
@pytest.mark.parametrize("notifies", [False, True])
def test_reply(measure: Measure, who: str, notifies: bool) -> None:
    def work(reply: Any) -> None:
        for seq in range(1, SIZE + 1):
            reply(seq, 7, 3, 200, "ok", DATA, HEADERS)

    step = AROUND if notifies else "Outbox.reply, nothing bound"
    measure(step, who, SIZE, work, lambda: with_requests(who, notifies=notifies))


def test_reply_with_protobuf_and_dicts(measure: Measure) -> None:
    """The same bytes from the runtime, kept in dicts, without any bound or check."""

    def requests() -> tuple[dict[int, list[tuple[str, bytes, dict[str, str]]]], dict[int, bytes]]:
        return {seq: [NOTIFY, NOTIFY] for seq in range(1, SIZE + 1)}, {}

    def message(msg_id: int, seq: int, text: str, data: bytes, headers: dict[str, str]) -> bytes:
        payload = client_pb2.BusinessResponse(code=200, message=text, data=data).SerializeToString()
        push = client_pb2.ServerPush(msg_id=msg_id, seq_id=seq, type=3, payload=payload, headers=headers)  # type: ignore[arg-type]
        body = push.SerializeToString()
        return len(body).to_bytes(4, "big") + body

    def work(made: Any) -> None:
        bound, retained = made
        number = 0
        for seq in range(1, SIZE + 1):
            before, after = bound.pop(seq)
            frames = []
            for msg_id, parts in ((0, before), (7, ("ok", DATA, HEADERS)), (0, after)):
                number += 1
                frames.append(message(msg_id, number, *parts))
                retained[number] = frames[-1]
            b"".join(frames)

    measure(AROUND, "protobuf and dicts", SIZE, work, requests)


@pytest.mark.parametrize("who", MAKERS)
def test_whole_life_of_a_request(measure: Measure, who: str) -> None:
    outbox = roomy(who, budget=backend.load(who).ByteBudget(10**9))
    body = backend.load(who).encode_body(3, 200, *NOTIFY)

    def work() -> None:
        for _ in range(SIZE):
            seq = outbox.max_client_seq + 1
            outbox.accept(seq)
            outbox.bind(seq, True, body, 60.0)
            outbox.bind(seq, False, body, 60.0)
            outbox.reply(seq, 7, 3, 200, "ok", DATA, HEADERS)
            outbox.ack(outbox.last_seq)

    measure("Outbox accept, bind 2, reply, ack", who, SIZE, work)


@pytest.mark.parametrize("who", MAKERS)
def test_push_and_ack(measure: Measure, who: str) -> None:
    outbox = roomy(who)
    body = backend.load(who).encode_body(3, 200, *NOTIFY)

    def work() -> None:
        for _ in range(SIZE):
            outbox.push(body)
            outbox.ack(outbox.last_seq)

    measure("Outbox push + ack", who, SIZE, work)


@pytest.mark.parametrize("who", MAKERS)
def test_replay(measure: Measure, who: str) -> None:
    outbox = roomy(who)
    for _ in range(1000):
        outbox.push(bytes(150))

    def work() -> None:
        last = 0
        while last < 1000:
            _, last = outbox.replay(last, 16384)

    measure("Outbox.replay 16 KiB, each of 1000", who, 1000, work)


@pytest.mark.parametrize("who", MAKERS)
def test_reading_a_property(measure: Measure, who: str) -> None:
    outbox = roomy(who)

    def work() -> None:
        for _ in range(SIZE):
            outbox.last_seq  # noqa: B018

    measure("Outbox.last_seq", who, SIZE, work)
