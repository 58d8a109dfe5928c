"""A task that waits: answered 504 when its deadline passes, and given up when its session ends (protocol §3)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.processor.bench import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.processor.bench import Bench


@pytest.fixture
async def bench(make_bench: Callable[..., Bench]) -> Bench:
    """One worker, which hangs, so that everything else waits; three places."""
    bench = make_bench(workers=1, capacity=3)
    bench.processor.start()
    bench.submit("hold")
    await bench.settle()
    return bench


# Deadlines


async def test_it_is_504_at_its_deadline_and_not_when_a_worker_is_free(bench: Bench) -> None:
    bench.submit("late", within=0.2)
    bench.submit("later", within=0.5)
    bench.clock.advance(0.19)
    assert bench.replies == []
    bench.clock.advance(0.01)
    assert bench.codes == {"late": [504]}
    bench.clock.advance(1.0)
    assert bench.codes == {"late": [504], "later": [504]}
    bench.answer("hold")
    await bench.settle()
    assert bench.codes == {"late": [504], "later": [504], "hold": [200]}
    assert bench.calls == ["hold"]
    assert bench.stat("late") == 2


async def test_a_late_one_gives_its_place_back(bench: Bench) -> None:
    assert all(bench.submit(name, within=1.0) for name in "abc")
    assert not bench.submit("refused")
    bench.clock.advance(1.0)
    assert bench.stat("queue_length") == 0
    assert all(bench.submit(name) for name in "def")
    bench.answer("hold")
    await bench.settle()
    assert bench.calls == ["hold", "d", "e", "f"]


async def test_it_makes_no_difference_whether_it_is_in_the_queue_or_in_its_lane(bench: Bench) -> None:
    other = Session()
    bench.submit("hold2", session=other)
    bench.submit("lane", within=5.0)
    bench.answer("hold")
    await bench.settle()  # a worker became free: what waited is in its lane now
    bench.submit("queue", within=5.0)
    bench.clock.advance(5.0)
    assert bench.codes == {"hold": [200], "lane": [504], "queue": [504]}


async def test_one_that_started_is_left_to_its_service(bench: Bench) -> None:
    bench.submit("hold2", within=5.0)
    bench.answer("hold")
    await bench.settle()
    bench.clock.advance(10.0)
    bench.answer("hold2")
    await bench.settle()
    assert bench.codes == {"hold": [200], "hold2": [200]}


async def test_a_stop_leaves_no_timer(bench: Bench) -> None:
    bench.submit("waits", within=5.0)
    await bench.processor.stop(0.0)
    assert bench.codes == {"hold": [500], "waits": [503]}
    bench.clock.advance(10.0)
    assert bench.codes == {"hold": [500], "waits": [503]}


async def test_a_stop_does_not_wait_for_what_became_late(bench: Bench) -> None:
    bench.submit("late", within=5.0)
    stopping = asyncio.create_task(bench.processor.stop(60.0))
    await bench.settle()
    bench.answer("hold")
    bench.clock.advance(5.0)
    await stopping
    assert bench.codes == {"hold": [200], "late": [504]}


# Sessions that end


async def test_the_call_of_an_ended_session_is_cancelled_and_its_worker_works_on(bench: Bench) -> None:
    other = Session()
    bench.submit("gone")
    bench.submit("other", session=other)
    bench.processor.cancel(bench.session)
    assert bench.stat("queue_length") == 1
    await bench.settle()
    assert bench.cancelled == ["hold"]
    assert bench.codes == {"other": [200]}
    assert (bench.stat("cancelled"), bench.stat("skipped"), bench.stat("busy_workers")) == (1, 1, 0)
    bench.clock.advance(60.0)
    assert bench.codes == {"other": [200]}


async def test_all_calls_of_the_session_and_no_others(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(workers=4)
    bench.processor.start()
    one, two = Session(), Session()
    for name, session in (("hold1", one), ("hold2", two), ("hold3", one), ("hold4", two)):
        bench.submit(name, session=session)
    await bench.settle()
    bench.processor.cancel(one)
    bench.processor.cancel(one)
    await bench.settle()
    assert sorted(bench.cancelled) == ["hold1", "hold3"]
    bench.answer("hold2")
    bench.answer("hold4")
    await bench.settle()
    assert bench.codes == {"hold2": [200], "hold4": [200]}
    # The cancelled workers are as good as ever.
    for number in range(5, 9):
        bench.submit(f"hold{number}", session=Session())
    await bench.settle()
    assert bench.stat("busy_workers") == 4


async def test_one_whose_worker_did_not_even_begin(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(workers=2)
    bench.processor.start()
    bench.submit("gone")  # given to a worker whose coroutine had no turn yet
    bench.processor.cancel(bench.session)
    await bench.settle()
    assert bench.calls == bench.replies == []
    for number in range(2):
        bench.submit(f"hold{number}", session=Session())
    await bench.settle()
    assert bench.stat("busy_workers") == 2, "no worker was lost"


async def test_an_answer_in_the_same_turn_is_dropped(bench: Bench) -> None:
    bench.answer("hold")
    bench.processor.cancel(bench.session)
    await bench.settle()
    assert bench.replies == []
    bench.submit("next", session=Session())
    await bench.settle()
    assert bench.codes == {"next": [200]}


async def test_a_session_without_tasks_has_nothing_to_cancel(bench: Bench) -> None:
    bench.processor.cancel(Session())
    await bench.settle()
    assert bench.cancelled == []


async def test_a_stop_while_a_call_is_being_cancelled(bench: Bench) -> None:
    bench.submit("gone")
    bench.submit("owed", session=Session())
    bench.processor.cancel(bench.session)
    await bench.processor.stop(0.0)
    assert set(bench.codes) <= {"owed"}
    assert sum(map(len, bench.codes.values())) == 1


async def test_a_stop_before_the_first_step_answers_all(make_bench: Callable[..., Bench]) -> None:
    """What was given to a worker is owed by the processor, not by the worker's coroutine."""
    bench = make_bench(workers=3)
    bench.processor.start()
    for name in "abcde":
        bench.submit(name, session=Session())
    stopping = asyncio.create_task(bench.processor.stop(0.0))
    await stopping
    assert sorted(bench.codes) == list("abcde")
    assert all(codes in ([200], [503]) for codes in bench.codes.values())


async def test_quiet_means_nothing_waits_or_runs(bench: Bench) -> None:
    bench.submit("behind")
    quiet = asyncio.create_task(bench.processor.quiet(60.0))
    await bench.settle()
    assert not quiet.done()
    bench.answer("hold")
    await quiet
    assert bench.codes == {"hold": [200], "behind": [200]}
    await bench.processor.quiet(0.0)


async def test_quiet_does_not_wait_longer_than_told(bench: Bench) -> None:
    async with asyncio.timeout(5.0):
        await bench.processor.quiet(0.01)
        await bench.processor.quiet(-1.0)
    assert bench.stat("busy_workers") == 1
