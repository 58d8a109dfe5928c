from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.client import link as sdk_link
from quicgw_fast.demo.tour.tape import Closed, Kind, Sent, Tape, insert, read, taping
from quicgw_fast.proto import client_pb2 as pb

if TYPE_CHECKING:
    from quicgw_fast.transport import HandlerFactory

BUSINESS = pb.BusinessResponse(code=201, message="made").SerializeToString()


def frame(message: Any) -> bytes:
    body: bytes = message.SerializeToString()
    return len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    ("push", "kind", "code", "text"),
    [
        (pb.ServerPush(msg_id=3, seq_id=4, type=pb.PUSH_BUSINESS_DATA, payload=BUSINESS), Kind.REPLY, 201, "made"),
        (pb.ServerPush(seq_id=4, type=pb.PUSH_BUSINESS_DATA, payload=BUSINESS), Kind.NOTIFY, 201, "made"),
        (
            pb.ServerPush(
                msg_id=3,
                seq_id=4,
                type=pb.PUSH_ERROR,
                payload=pb.ErrorMessage(error_code=503, error_message="full").SerializeToString(),
            ),
            Kind.ERROR,
            503,
            "full",
        ),
        (pb.ServerPush(msg_id=3, type=pb.PUSH_HEARTBEAT_RESP), Kind.HEARTBEAT, 0, ""),
        (pb.ServerPush(seq_id=4, type=pb.PUSH_UNKNOWN), Kind.UNKNOWN, 0, ""),
    ],
)
def test_read(push: pb.ServerPush, kind: Kind, code: int, text: str) -> None:
    received = read(push, 2)
    assert (received.kind, received.code, received.text) == (kind, code, text)
    assert (received.link, received.seq_id, received.msg_id) == (2, push.seq_id, push.msg_id)


def test_read_a_start() -> None:
    payload = pb.StartResponse(success=True, replay_from=7).SerializeToString()
    assert read(pb.ServerPush(type=pb.PUSH_START_RESP, payload=payload), 1).replay_from == 7


class Handler:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def received(self, data: bytes) -> None:
        self.heard.append(data)

    def writable(self) -> None:
        self.heard.append("writable")

    def closed(self, code: int, reason: str, by_peer: bool) -> None:
        self.heard.append((code, reason, by_peer))


class Wire:
    pending = 17

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.sent.append(data)


async def test_both_directions_are_on_tape_and_pass_through(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}

    async def dial(host: str, port: int, *, factory: HandlerFactory, **rest: object) -> None:
        made["wire"] = wire = Wire()
        made["handler"] = factory(wire)  # type: ignore[arg-type]

    monkeypatch.setattr(sdk_link, "dial", dial)
    handler, tape = Handler(), Tape("tim")

    def factory(connection: Any) -> Handler:
        made["connection"] = connection
        return handler

    with taping():
        insert(tape)
        await sdk_link.dial("gateway", 1, factory=factory)  # type: ignore[attr-defined]
    assert vars(sdk_link)["dial"] is dial
    up = frame(pb.ClientRequest(msg_id=5, seq_id=6, type=pb.REQUEST_BUSINESS))
    made["connection"].send(up)
    assert made["connection"].pending == 17
    assert made["wire"].sent == [up]
    down = frame(pb.ServerPush(msg_id=5, seq_id=1, type=pb.PUSH_BUSINESS_DATA, payload=BUSINESS))
    made["handler"].received(down[:3])
    made["handler"].received(down[3:])
    made["handler"].writable()
    made["handler"].closed(0, "NORMAL", True)
    assert handler.heard == [down[:3], down[3:], "writable", (0, "NORMAL", True)]
    assert tape.sent == [Sent(link=1, type=pb.REQUEST_BUSINESS, msg_id=5, seq_id=6)]
    assert [(one.kind, one.seq_id, one.link) for one in tape.received] == [(Kind.REPLY, 1, 1)]
    assert tape.closed == [Closed(0, "NORMAL", True)]
    assert tape.links == 1


async def test_each_client_has_its_own_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    async def dial(host: str, port: int, *, factory: HandlerFactory, **rest: object) -> None:
        factory(Wire())  # type: ignore[arg-type]

    monkeypatch.setattr(sdk_link, "dial", dial)
    tapes = [Tape("one"), Tape("two")]

    async def client(tape: Tape, links: int) -> None:
        insert(tape)
        for _ in range(links):
            # A reconnect runs in a task of the client's own, made in the context of insert().
            await asyncio.create_task(sdk_link.dial("gateway", 1, factory=lambda _: Handler()))  # type: ignore[attr-defined]

    with taping():
        await asyncio.gather(client(tapes[0], 1), client(tapes[1], 2))
    assert [tape.links for tape in tapes] == [1, 2]
