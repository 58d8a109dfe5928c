"""FrameDecoder and encode_body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from benches.micro.conftest import MAKERS
from quicgw_fast import backend
from quicgw_fast.proto import client_pb2

if TYPE_CHECKING:
    from benches.micro.conftest import Measure

SIZE = 500
FRAME = (141).to_bytes(4, "big") + bytes(141)  # what an echo request of 64 bytes takes
DATAGRAM = 1200
HEADERS = {"zone": "3", "gid": "g-17"}
DATA = bytes(64)


def decoder(who: str) -> Any:
    return backend.load(who).FrameDecoder(1 << 20)


@pytest.mark.parametrize("who", MAKERS)
def test_one_message_at_a_time(measure: Measure, who: str) -> None:
    feed = decoder(who).feed

    def work() -> None:
        for _ in range(SIZE):
            feed(FRAME)

    measure("FrameDecoder, 1 message of 141 B", who, SIZE, work)


@pytest.mark.parametrize("who", MAKERS)
def test_messages_across_datagrams(measure: Measure, who: str) -> None:
    stream = FRAME * SIZE
    pieces = [stream[start : start + DATAGRAM] for start in range(0, len(stream), DATAGRAM)]
    feed = decoder(who).feed

    def work() -> None:
        for piece in pieces:
            feed(piece)

    measure("FrameDecoder, 8 messages a datagram", who, SIZE, work)


@pytest.mark.parametrize("who", MAKERS)
def test_one_large_message(measure: Measure, who: str) -> None:
    stream = (1 << 20).to_bytes(4, "big") + bytes(1 << 20)
    pieces = [stream[start : start + DATAGRAM] for start in range(0, len(stream), DATAGRAM)]
    feed = decoder(who).feed

    def work() -> None:
        for piece in pieces:
            feed(piece)

    measure("FrameDecoder, 1 MiB in datagrams", who, 1, work)


@pytest.mark.parametrize("who", MAKERS)
def test_encode(measure: Measure, who: str) -> None:
    encode = backend.load(who).encode_body

    def work() -> None:
        for _ in range(SIZE):
            encode(3, 200, "ok", DATA, HEADERS)

    measure("encode_body, 64 B and 2 headers", who, SIZE, work)


def test_encode_with_protobuf(measure: Measure) -> None:
    def work() -> None:
        for _ in range(SIZE):
            payload = client_pb2.BusinessResponse(code=200, message="ok", data=DATA).SerializeToString()
            client_pb2.ServerPush(type=3, payload=payload, headers=HEADERS).SerializeToString()  # type: ignore[arg-type]

    measure("encode_body, 64 B and 2 headers", "protobuf (upb)", SIZE, work)
