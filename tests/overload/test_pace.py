"""How long nothing is read while there is no place for what is read."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from quicgw_fast.overload import Pace
from quicgw_fast.overload.pace import LONGEST, REST


class Queue(NamedTuple):
    queue_length: int

    @property
    def full(self) -> bool:
        return self.queue_length == 10


@pytest.mark.parametrize("waiting", [0, 1, 9])
def test_reading_has_no_bound_while_there_is_a_place(waiting: int) -> None:
    assert Pace(Queue(waiting), 10).rest(5.0) == 0.0


def test_with_a_full_queue_a_rest_is_a_multiple_of_the_reading_before_it() -> None:
    pace = Pace(Queue(10), 10)
    assert pace.rest(0.001) == pytest.approx(REST * 0.001)
    assert pace.rest(5.0) == LONGEST, "who waits for an acknowledgement does not send again before it is read"


@pytest.mark.parametrize(("waiting", "over"), [(10, False), (6, False), (5, True), (0, True)])
def test_a_rest_is_over_before_the_workers_run_out_of_work(waiting: int, over: bool) -> None:
    assert Pace(Queue(waiting), 10).over() is over
