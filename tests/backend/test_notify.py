from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.backend import BindRefused
from quicgw_fast.codes import BindCode

if TYPE_CHECKING:
    from types import ModuleType


def test_each_side_keeps_its_order_and_is_taken_once(engine: ModuleType) -> None:
    buffers = engine.NotifyBuffers()
    for number, before in enumerate([True, False, True, False]):
        buffers.bind(5, before, b"%d" % number, 60.0)
    buffers.bind(6, True, b"other", 60.0)

    assert buffers.take_before(5) == [b"0", b"2"]
    assert buffers.take_before(5) == []
    assert buffers.take_after(5) == [b"1", b"3"]
    assert buffers.take_after(5) == []
    assert len(buffers) == 1


def test_counts(engine: ModuleType) -> None:
    buffers = engine.NotifyBuffers()
    assert len(buffers) == 0
    buffers.bind(5, True, b"", 60.0)
    buffers.bind(5, False, b"", 60.0)
    buffers.bind(2**64 - 1, False, b"", 60.0)
    assert (len(buffers), buffers.count(5), buffers.count(2**64 - 1), buffers.count(7)) == (3, 2, 1, 0)
    buffers.take_after(5)
    assert (len(buffers), buffers.count(5)) == (2, 1)


def test_the_bound_of_a_request_counts_both_sides(engine: ModuleType) -> None:
    buffers = engine.NotifyBuffers(per_request=2, total=9)
    buffers.bind(1, True, b"a", 60.0)
    buffers.bind(1, False, b"b", 60.0)
    with pytest.raises(BindRefused) as caught:
        buffers.bind(1, True, b"c", 60.0)
    assert caught.value.code == BindCode.LIMIT
    buffers.bind(2, True, b"d", 60.0)
    assert (buffers.take_before(1), buffers.take_after(1)) == ([b"a"], [b"b"])


def test_the_bound_of_all_requests_frees_up(engine: ModuleType) -> None:
    buffers = engine.NotifyBuffers(per_request=9, total=2)
    buffers.bind(1, True, b"a", 60.0)
    buffers.bind(2, True, b"b", 60.0)
    with pytest.raises(BindRefused):
        buffers.bind(3, True, b"c", 60.0)
    buffers.take_before(1)
    buffers.bind(3, True, b"c", 60.0)
    assert buffers.take_before(3) == [b"c"]


@pytest.mark.parametrize("bounds", [(0, 9), (9, 0)])
def test_a_bound_of_zero_keeps_nothing(engine: ModuleType, bounds: tuple[int, int]) -> None:
    with pytest.raises(BindRefused):
        engine.NotifyBuffers(*bounds).bind(1, True, b"", 60.0)


def test_expiry_drops_what_is_due_and_keeps_the_order(engine: ModuleType) -> None:
    buffers = engine.NotifyBuffers()
    for body, before, expires_at in [(b"a", True, 3.0), (b"b", True, 1.0), (b"c", True, 4), (b"d", False, 2.0)]:
        buffers.bind(5, before, body, expires_at)
    buffers.bind(6, False, b"e", 2.0)

    assert buffers.expire(0.5) == 0
    assert buffers.expire(2) == 3
    assert (len(buffers), buffers.count(5), buffers.count(6)) == (2, 2, 0)
    assert buffers.take_before(5) == [b"a", b"c"]
    assert buffers.expire(9.0) == 0


def test_a_time_that_is_no_number_is_never_reached(engine: ModuleType) -> None:
    buffers = engine.NotifyBuffers()
    buffers.bind(5, True, b"", float("nan"))
    buffers.bind(5, True, b"", float("inf"))
    assert buffers.expire(float("nan")) == 0
    assert buffers.expire(1e300) == 0
    assert buffers.expire(float("inf")) == 1
