"""The asynchronous request processor: one reply for each task, whatever happens (protocol §3).

Real asyncio and the real queue of both engines; the service is an async function, which is the processor's port.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.errors import RequestError
from quicgw_fast.processor.processor import TURN
from tests.processor.bench import RealTime, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.processor.bench import Bench


# Submitting


async def test_before_its_start_nothing_is_taken(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    assert bench.submit("a") is False
    bench.processor.start()
    assert bench.submit("b") is True
    await bench.settle()
    assert bench.calls == ["b"]


async def test_after_its_stop_nothing_is_taken(bench: Bench) -> None:
    await bench.processor.stop(1.0)
    assert bench.submit("a") is False
    assert bench.replies == []


async def test_while_it_stops_nothing_is_taken(bench: Bench) -> None:
    bench.submit("hold")
    await bench.settle()
    stopping = asyncio.create_task(bench.processor.stop(60.0))
    await bench.settle()
    assert bench.submit("late") is False
    bench.answer("hold")
    await stopping
    assert bench.codes == {"hold": [200]}


async def test_it_is_started_once(bench: Bench) -> None:
    with pytest.raises(RuntimeError, match="once"):
        bench.processor.start()
    await bench.processor.stop(0.0)
    with pytest.raises(RuntimeError, match="once"):
        bench.processor.start()


async def test_submitting_does_not_run_anything(bench: Bench) -> None:
    await bench.settle()
    bench.submit("a")
    assert bench.calls == []


async def test_a_full_queue_takes_nothing_more(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(workers=1, capacity=3)
    bench.processor.start()
    bench.submit("hold")
    await bench.settle()
    assert [bench.submit(f"a{number}") for number in range(5)] == [True, True, True, False, False]
    bench.answer("hold")
    await bench.settle()
    assert bench.submit("again") is True
    await bench.settle()
    assert list(bench.codes) == ["hold", "a0", "a1", "a2", "again"]
    assert bench.stats()["rejected"] == 2


async def test_it_is_crowded_from_the_last_place_that_is_taken_to_the_first_that_is_left(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(workers=1, capacity=2)
    bench.processor.start()
    gone = Session()
    bench.submit("hold")
    await bench.settle()

    def fill() -> None:
        assert not bench.processor.crowded
        while bench.submit("late", session=gone, within=5.0):
            assert bench.processor.crowded is (bench.stat("queue_length") == 2)

    fill()
    bench.processor.cancel(gone)
    fill()
    bench.clock.advance(5.0)
    fill()
    bench.answer("hold")
    await bench.settle()
    assert not bench.processor.crowded


async def test_a_burst_fills_the_queue_and_the_idle_workers(make_bench: Callable[..., Bench]) -> None:
    """What an idle worker takes has no place in the queue, also before the worker had a turn of the loop."""
    bench = make_bench(workers=3, capacity=4)
    bench.processor.start()
    taken = [bench.submit(f"hold{number}", session=Session()) for number in range(8)]
    assert taken == [True] * 7 + [False]
    assert (bench.stat("queue_length"), bench.stat("busy_workers")) == (4, 3)
    await bench.settle()
    assert bench.calls == ["hold0", "hold1", "hold2"]


# Working


async def test_one_worker_works_in_order(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(workers=1)
    bench.processor.start()
    for number in range(20):
        bench.submit(str(number))
    await bench.settle()
    assert bench.calls == [str(number) for number in range(20)]
    assert bench.codes == {str(number): [200] for number in range(20)}


async def test_as_many_run_at_once_as_there_are_workers(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(workers=3)
    bench.processor.start()
    for number in range(7):
        bench.submit(f"hold{number}", session=Session())
    await bench.settle()
    assert bench.calls == ["hold0", "hold1", "hold2"]
    bench.answer("hold1")
    await bench.settle()
    assert bench.calls == ["hold0", "hold1", "hold2", "hold3"]
    assert bench.stats()["busy_workers"] == 3
    while len(bench.replies) < 7:
        for action, waiting in list(bench.held.items()):
            if not waiting.done():
                bench.answer(action)
        await bench.settle()
    assert bench.most_running == 3
    assert all(codes == [200] for codes in bench.codes.values())
    assert bench.stats()["busy_workers"] == 0


async def test_every_task_has_one_reply_however_they_are_mixed(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(workers=4, capacity=1000)
    bench.processor.start()
    kinds = {"ok": 200, "fail": 500, "bug": 500, "late": 504}
    for _ in range(100):
        for kind in kinds:
            assert bench.submit(kind, within=0.0 if kind == "late" else 30.0)
    await bench.processor.stop(60.0)
    assert bench.codes == {kind: [code] * 100 for kind, code in kinds.items()}
    assert "late" not in bench.calls


async def test_a_task_is_taken_up_while_others_wait_for_their_service(bench: Bench) -> None:
    bench.submit("hold")
    await bench.settle()
    bench.submit("quick", session=Session())
    await bench.settle()
    assert bench.codes == {"quick": [200]}


async def test_a_session_that_is_gone_is_skipped_and_counted(bench: Bench) -> None:
    bench.submit("gone", session=Session(valid=False))
    bench.submit("here")
    await bench.settle()
    assert bench.codes == {"here": [200]}
    assert bench.calls == ["here"]
    assert bench.stats()["skipped"] == 1


async def test_a_session_that_goes_while_the_service_works_still_gets_its_reply_handed_on(bench: Bench) -> None:
    session = Session()
    bench.submit("hold", session=session)
    await bench.settle()
    session.valid = False
    bench.answer("hold")
    await bench.settle()
    assert bench.codes == {"hold": [200]}


async def test_a_bug_in_the_call_is_500_and_costs_no_worker(
    make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(workers=1)
    bench.processor.start()
    with caplog.at_level(logging.ERROR):
        for action in ("bug", "bug", "fine"):
            bench.submit(action)
        await bench.settle()
    assert bench.codes == {"bug": [500, 500], "fine": [200]}
    assert "task failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    outcome = bench.replies[0][1]
    assert isinstance(outcome, RequestError)
    assert (outcome.message, outcome.detail) == ("internal error", "")


async def test_a_bug_in_the_reply_costs_no_worker(
    make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(workers=1)
    bench.processor.start()
    bench.broken_reply = True
    with caplog.at_level(logging.ERROR):
        bench.submit("lost")
        await bench.settle()
    assert "reply failed" in caplog.text
    bench.broken_reply = False
    bench.submit("fine")
    await bench.settle()
    assert bench.codes == {"fine": [200]}
    assert bench.stats()["completed"] == 1


@pytest.mark.parametrize("kind", ["late", "gone"])
async def test_a_backlog_that_needs_no_waiting_does_not_stop_the_loop(
    make_bench: Callable[..., Bench], kind: str
) -> None:
    """Thousands of tasks that are too late take time, and heartbeats must not wait behind them."""
    bench = make_bench(workers=2, capacity=5000, clock=RealTime())
    bench.processor.start()
    await bench.settle()
    for _ in range(2000):
        assert bench.submit("x", within=0.0 if kind == "late" else 60.0, session=Session(valid=kind == "late"))
    turns = 0
    async with asyncio.timeout(10.0):
        while bench.stats()["queue_length"]:
            turns += 1
            await asyncio.sleep(0)
    assert turns > 20
    await bench.settle()
    assert bench.codes == ({"x": [504] * 2000} if kind == "late" else {})


# Stopping


async def test_a_stop_works_off_the_queue(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(workers=1)
    bench.processor.start()
    bench.submit("hold")
    for number in range(10):
        bench.submit(str(number))
    await bench.settle()
    stopping = asyncio.create_task(bench.processor.stop(60.0))
    await bench.settle()
    assert not stopping.done()
    bench.answer("hold")
    await stopping
    assert bench.codes == {"hold": [200], **{str(number): [200] for number in range(10)}}


async def test_a_stop_right_after_the_start_works_off_the_queue_too(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.processor.start()
    bench.submit("a")
    await bench.processor.stop(60.0)
    assert bench.codes == {"a": [200]}


async def test_when_its_time_is_over_a_stop_says_503_only_of_what_was_not_passed_on(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(workers=2)
    bench.processor.start()
    names = ["hold1", "hold2", "queued1", "queued2", "queued3"]
    for name in names:
        bench.submit(name, session=Session())
    await bench.settle()
    await bench.processor.stop(0.0)
    assert bench.codes == {name: [500 if name in ("hold1", "hold2") else 503] for name in names}
    assert bench.calls == ["hold1", "hold2"]
    for _, outcome in bench.replies:
        assert isinstance(outcome, RequestError)
        assert int(outcome.headers["retry-after-ms"]) > 0
    await bench.settle()
    assert bench.cancelled == ["hold1", "hold2"]
    assert len(bench.replies) == len(names)


async def test_an_answer_that_comes_with_the_end_of_the_time_is_no_second_reply(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(workers=1)
    bench.processor.start()
    bench.submit("hold")
    await bench.settle()
    stopping = asyncio.create_task(bench.processor.stop(0.0))
    await asyncio.sleep(0)
    bench.answer("hold")
    await stopping
    await bench.settle()
    assert len(bench.replies) == 1


async def test_what_got_a_worker_and_did_not_begin_was_not_passed_on(make_bench: Callable[..., Bench]) -> None:
    """A worker is taken with the submission, and so many begin in one turn of the loop."""
    bench = make_bench(workers=100 * TURN, capacity=100 * TURN)
    bench.processor.start()
    for _ in range(99 * TURN):
        bench.submit("hold")
    await bench.processor.stop(0.0)
    broken_off, not_passed_on = (bench.codes["hold"].count(code) for code in (500, 503))
    assert 0 < len(bench.calls) <= broken_off < 99 * TURN
    assert not_passed_on == 99 * TURN - broken_off


async def test_a_stop_may_be_repeated_and_needs_no_start(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    await bench.processor.stop(1.0)
    await bench.processor.stop(1.0)
    assert bench.stats()["started"] is False


async def test_an_idle_processor_stops_at_once(bench: Bench) -> None:
    await bench.settle()
    async with asyncio.timeout(5.0):
        await bench.processor.stop(60.0)


# Figures


async def test_the_figures_have_the_names_of_the_protocol(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(workers=1, capacity=7)
    assert bench.stats() == {
        "max_workers": 1,
        "max_queue_size": 7,
        "queue_length": 0,
        "queue_places": 7,
        "started": False,
        "busy_workers": 0,
        "submitted": 0,
        "rejected": 0,
        "completed": 0,
        "skipped": 0,
        "cancelled": 0,
        "late": 0,
    }
    bench.processor.start()
    bench.submit("hold")
    await bench.settle()
    bench.submit("a")
    bench.submit("b")
    stats = bench.stats()
    assert (stats["started"], stats["queue_length"], stats["busy_workers"]) == (True, 2, 1)
    bench.answer("hold")
    await bench.settle()
    stats = bench.stats()
    assert (stats["submitted"], stats["completed"], stats["queue_length"], stats["busy_workers"]) == (3, 3, 0, 0)
    await bench.processor.stop(1.0)
    assert bench.stats()["started"] is False


async def test_tasks_are_let_go_when_they_are_done(bench: Bench) -> None:
    session = Session()
    gone = weakref.ref(session)
    bench.submit("a", session=session)
    await bench.settle()
    del session
    gc.collect()
    assert gone() is None


async def test_a_bug_in_the_question_whether_the_session_is_there_costs_no_worker(
    make_bench: Callable[..., Bench],
) -> None:
    class Broken(Session):
        valid = property(lambda self: 1 / 0)  # type: ignore[assignment]

        def __init__(self) -> None:
            pass

    bench = make_bench(workers=1)
    bench.processor.start()
    bench.submit("broken", session=Broken())
    bench.submit("fine")
    await bench.settle()
    assert bench.codes == {"broken": [500], "fine": [200]}
