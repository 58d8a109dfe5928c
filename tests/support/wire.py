"""Frames and payloads of the wire, written from the protocol alone (§1), to judge the gateway with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.proto import client_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_BODY = 1 << 20
"""Most bytes of one message's body (protocol §1)."""

MAX_FIRST_BODY = 4 << 10
"""Most bytes of a body before START is accepted (protocol §1)."""


def frame(body: bytes) -> bytes:
    """Put the 4-byte big-endian length before a body."""
    return len(body).to_bytes(4, "big") + body


class Splitter:
    """Cuts a byte stream into bodies; what is incomplete waits for more."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def partial(self) -> int:
        """Bytes of a message that has not arrived whole."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Add stream bytes and return the bodies that are whole now."""
        buffer = self._buffer
        buffer += data
        bodies: list[bytes] = []
        start = 0
        while len(buffer) - start >= 4:
            length = int.from_bytes(buffer[start : start + 4], "big")
            if length > MAX_BODY:
                raise AssertionError(f"the gateway announced a body of {length} bytes, over the limit of {MAX_BODY}")
            if len(buffer) - start - 4 < length:
                break
            bodies.append(bytes(buffer[start + 4 : start + 4 + length]))
            start += 4 + length
        del buffer[:start]
        return bodies


def business(push: pb.ServerPush) -> pb.BusinessResponse:
    """Read a response or a notify; the push must be PUSH_BUSINESS_DATA."""
    assert push.type == pb.PUSH_BUSINESS_DATA, f"not business data but {describe(push)}"
    return pb.BusinessResponse.FromString(push.payload)


def error(push: pb.ServerPush) -> pb.ErrorMessage:
    """Read an error; the push must be PUSH_ERROR."""
    assert push.type == pb.PUSH_ERROR, f"not an error but {describe(push)}"
    return pb.ErrorMessage.FromString(push.payload)


def is_notify(push: pb.ServerPush) -> bool:
    """Tell whether a push is a notify: business data that answers no request (protocol §4)."""
    return push.type == pb.PUSH_BUSINESS_DATA and push.msg_id == 0


def describe(push: pb.ServerPush) -> str:
    """Say in one line what a push is, for failure messages."""
    kind = pb.PushType.Name(push.type) if push.type in pb.PushType.values() else f"type {push.type}"
    text = f"#{push.seq_id} msg {push.msg_id} {kind}"
    if push.type == pb.PUSH_ERROR:
        body = pb.ErrorMessage.FromString(push.payload)
        return f"{text} {body.error_code} {body.error_message!r} {body.detail!r}"
    if push.type == pb.PUSH_BUSINESS_DATA:
        response = pb.BusinessResponse.FromString(push.payload)
        return f"{text} {response.code} {response.message!r} {response.data[:40]!r}"
    return text


def describe_all(pushes: Iterable[pb.ServerPush], last: int = 12) -> str:
    """Say what the last pushes of a log are."""
    log = list(pushes)
    head = f"… {len(log) - last} before\n" if len(log) > last else ""
    return head + "\n".join(describe(push) for push in log[-last:])


async def until(condition: Callable[[], bool], within: float = 20.0, what: str = "the condition") -> None:
    """Wait until ``condition()`` holds, looking every 5 ms; TimeoutError after ``within`` seconds."""
    deadline = asyncio.get_running_loop().time() + within
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"{what} did not come true within {within} s")
        await asyncio.sleep(0.005)
