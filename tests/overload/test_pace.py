"""How long nothing is read while there is no place for what is read."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from quicgw_fast.overload import Pace
from quicgw_fast.overload.pace import LONGEST, REST


@dataclass
class Queue:
    queue_length: int
    places: int = 10
    submitted: int = 0
    rejected: int = 0

    @property
    def crowded(self) -> bool:
        return self.queue_length >= self.places


@pytest.mark.parametrize("waiting", [0, 1, 9])
def test_reading_has_no_bound_while_there_is_a_place(waiting: int) -> None:
    assert Pace(Queue(waiting, rejected=5)).rest(5.0) == 0.0


def test_with_a_crowd_a_rest_is_a_multiple_of_the_time_in_which_was_refused() -> None:
    queue = Queue(10, submitted=1000)
    pace = Pace(queue)
    pace.rest(0.001)
    queue.rejected += 20
    assert pace.rest(0.001) == pytest.approx(REST * 0.001)
    queue.rejected, queue.submitted = queue.rejected + 10, queue.submitted + 30
    assert pace.rest(0.001) == pytest.approx(REST * 0.001 / 4)
    queue.submitted += 30
    assert pace.rest(0.001) == 0.0
    assert pace.rest(0.001) == 0.0, "acknowledgements need none"


def test_who_waits_for_an_acknowledgement_does_not_send_again_before_it_is_read() -> None:
    assert Pace(Queue(10, rejected=1)).rest(5.0) == LONGEST


@pytest.mark.parametrize(("waiting", "over"), [(10, False), (6, False), (5, True), (0, True)])
def test_a_rest_is_over_before_the_workers_run_out_of_work(waiting: int, over: bool) -> None:
    assert Pace(Queue(waiting)).over() is over
