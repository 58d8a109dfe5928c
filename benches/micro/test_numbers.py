"""SequenceAllocator and NotifyBuffers."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from benches.micro.conftest import MAKERS
from quicgw_fast import backend

if TYPE_CHECKING:
    from benches.micro.conftest import Measure

SIZE = 1000
BODY = bytes(100)


@pytest.mark.parametrize("who", [*MAKERS, "itertools.count"])
def test_next(measure: Measure, who: str) -> None:
    take = count(1).__next__ if who == "itertools.count" else backend.load(who).SequenceAllocator().next

    def work() -> None:
        for _ in range(SIZE):
            take()

    measure("SequenceAllocator.next", who, SIZE, work)


@pytest.mark.parametrize("who", MAKERS)
def test_accept(measure: Measure, who: str) -> None:
    def work(accept: Any) -> None:
        for seq in range(1, SIZE + 1):
            accept(seq)

    measure("SequenceAllocator.accept", who, SIZE, work, lambda: backend.load(who).SequenceAllocator().accept)


@pytest.mark.parametrize("who", MAKERS)
def test_bind_and_take(measure: Measure, who: str) -> None:
    notifies = backend.load(who).NotifyBuffers()
    bind, take_before, take_after = notifies.bind, notifies.take_before, notifies.take_after

    def work() -> None:
        for client_seq in range(SIZE):
            bind(client_seq, True, BODY, 60.0)
            bind(client_seq, False, BODY, 60.0)
            take_before(client_seq)
            take_after(client_seq)

    measure("NotifyBuffers bind 2 + take both", who, SIZE, work)


def test_bind_and_take_with_dicts(measure: Measure) -> None:
    before: dict[int, list[tuple[bytes, float]]] = {}
    after: dict[int, list[tuple[bytes, float]]] = {}

    def work() -> None:
        for client_seq in range(SIZE):
            before.setdefault(client_seq, []).append((BODY, 60.0))
            after.setdefault(client_seq, []).append((BODY, 60.0))
            before.pop(client_seq, None)
            after.pop(client_seq, None)

    measure("NotifyBuffers bind 2 + take both", "two dicts, no bounds", SIZE, work)


@pytest.mark.parametrize("who", MAKERS)
def test_expire_when_nothing_is_due(measure: Measure, who: str) -> None:
    notifies = backend.load(who).NotifyBuffers(per_request=64, total=SIZE)
    for number in range(SIZE):
        notifies.bind(number // 4, number % 2 == 0, BODY, 60.0)

    measure("NotifyBuffers.expire, each of 1000", who, SIZE, lambda: notifies.expire(1.0))
