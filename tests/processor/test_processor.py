"""The asynchronous request processor: one reply for each task, whatever happens (contract §3).

Real asyncio and the real queue of both engines; the service is an async function, which is the processor's port.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from quicgw_fast._proto.service_pb2 import UpstreamRequest, UpstreamResponse
from quicgw_fast.errors import RequestError
from quicgw_fast.processor import AsyncRequestProcessor, AsyncTask, Outcome, Ports
from quicgw_fast.types import PushType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import ModuleType


@dataclass
class Session:
    """As much of a session as the processor hands through."""

    valid: bool = True


@dataclass
class Bench:
    """A processor with everything around it under the test's control."""

    engine: ModuleType
    workers: int = 2
    capacity: int = 100
    now: float = 100.0
    calls: list[str] = field(default_factory=list)
    held: dict[str, asyncio.Future[UpstreamResponse]] = field(default_factory=dict)
    replies: list[tuple[str, Outcome]] = field(default_factory=list)
    broken_reply: bool = False
    session: Session = field(default_factory=Session)
    running: int = 0
    most_running: int = 0

    def __post_init__(self) -> None:
        ports = Ports(self.call, self.reply, lambda task: task.session.valid, lambda: self.now)
        self.processor = AsyncRequestProcessor(self.engine.TaskQueue(self.capacity), ports, self.workers)

    async def call(self, service: str, request: UpstreamRequest, remaining: float) -> UpstreamResponse:
        self.calls.append(request.action)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if request.action.startswith("hold"):
                self.held[request.action] = asyncio.get_running_loop().create_future()
                return await self.held[request.action]
            if request.action == "bug":
                raise ZeroDivisionError
            if request.action == "fail":
                raise RequestError(500, "failed")
            return UpstreamResponse(code=200, message=request.action)
        finally:
            self.running -= 1

    def reply(self, task: AsyncTask, outcome: Outcome) -> None:
        if self.broken_reply:
            raise KeyError("a bug in the reply")
        self.replies.append((task.request.action, outcome))

    def submit(self, action: str, *, session: Session | None = None, deadline: float = 130.0) -> bool:
        request = UpstreamRequest(session_id="s", client_seq_id=1 + len(self.calls), action=action)
        return self.processor.submit(AsyncTask(session or self.session, 1, "business", request, deadline))

    def answer(self, action: str) -> None:
        self.held[action].set_result(UpstreamResponse(code=200))

    @property
    def codes(self) -> dict[str, list[int]]:
        """All replies by action."""
        found: dict[str, list[int]] = {}
        for action, outcome in self.replies:
            found.setdefault(action, []).append(outcome.code)
        return found

    async def settle(self) -> None:
        for _ in range(40):
            await asyncio.sleep(0)


@pytest.fixture
async def make_bench(engine: ModuleType) -> AsyncIterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(**options: object) -> Bench:
        made.append(Bench(engine, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for bench in made:
        await bench.processor.stop(0.0)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("worker")]


@pytest.fixture
async def bench(make_bench: Callable[..., Bench]) -> Bench:
    """A processor that runs."""
    bench = make_bench()
    bench.processor.start()
    return bench


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
    assert bench.processor.stats()["rejected"] == 2


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
        bench.submit(f"hold{number}")
    await bench.settle()
    assert bench.calls == ["hold0", "hold1", "hold2"]
    bench.answer("hold1")
    await bench.settle()
    assert bench.calls == ["hold0", "hold1", "hold2", "hold3"]
    assert bench.processor.stats()["busy_workers"] == 3
    while len(bench.replies) < 7:
        for action, waiting in list(bench.held.items()):
            if not waiting.done():
                bench.answer(action)
        await bench.settle()
    assert bench.most_running == 3
    assert all(codes == [200] for codes in bench.codes.values())
    assert bench.processor.stats()["busy_workers"] == 0


async def test_every_task_has_one_reply_however_they_are_mixed(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(workers=4, capacity=1000)
    bench.processor.start()
    kinds = {"ok": 200, "fail": 500, "bug": 500, "late": 504}
    for _ in range(100):
        for kind in kinds:
            assert bench.submit(kind, deadline=100.0 if kind == "late" else 130.0)
    await bench.processor.stop(60.0)
    assert bench.codes == {kind: [code] * 100 for kind, code in kinds.items()}
    assert "late" not in bench.calls


async def test_a_task_is_taken_up_while_others_wait_for_their_service(bench: Bench) -> None:
    bench.submit("hold")
    await bench.settle()
    bench.submit("quick")
    await bench.settle()
    assert bench.codes == {"quick": [200]}


async def test_a_deadline_that_passed_in_the_queue_is_504_without_a_call(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(workers=1)
    bench.processor.start()
    bench.submit("hold")
    await bench.settle()
    bench.submit("late", deadline=110.0)
    bench.submit("not late", deadline=111.0)
    bench.now = 110.0
    bench.answer("hold")
    await bench.settle()
    assert bench.codes == {"hold": [200], "late": [504], "not late": [200]}
    assert bench.calls == ["hold", "not late"]


async def test_a_session_that_is_gone_is_skipped_and_counted(bench: Bench) -> None:
    bench.submit("gone", session=Session(valid=False))
    bench.submit("here")
    await bench.settle()
    assert bench.codes == {"here": [200]}
    assert bench.calls == ["here"]
    assert bench.processor.stats()["skipped"] == 1


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
    assert (outcome.push_type, outcome.message, outcome.data) == (PushType.ERROR, "internal error", b"")


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
    assert bench.processor.stats()["completed"] == 1


@pytest.mark.parametrize("kind", ["late", "gone"])
async def test_a_backlog_that_needs_no_waiting_does_not_stop_the_loop(
    make_bench: Callable[..., Bench], kind: str
) -> None:
    """Thousands of tasks that are too late take time, and heartbeats must not wait behind them."""
    bench = make_bench(workers=2, capacity=5000)
    bench.processor.start()
    await bench.settle()
    for _ in range(2000):
        bench.submit("x", deadline=0.0, session=Session(valid=kind == "late"))
    turns = 0
    async with asyncio.timeout(10.0):
        while bench.processor.stats()["queue_length"]:
            turns += 1
            await asyncio.sleep(0)
    assert turns > 20


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


async def test_when_its_time_is_over_a_stop_answers_the_rest_503_once_each(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(workers=2)
    bench.processor.start()
    names = ["hold1", "hold2", "queued1", "queued2", "queued3"]
    for name in names:
        bench.submit(name)
    await bench.settle()
    await bench.processor.stop(0.0)
    assert bench.codes == {name: [503] for name in names}
    assert bench.calls == ["hold1", "hold2"]
    outcome = bench.replies[0][1]
    assert outcome.push_type is PushType.ERROR
    assert int(outcome.headers["retry-after-ms"]) > 0
    await bench.settle()
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


async def test_a_stop_may_be_repeated_and_needs_no_start(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    await bench.processor.stop(1.0)
    await bench.processor.stop(1.0)
    assert bench.processor.stats()["started"] is False


async def test_an_idle_processor_stops_at_once(bench: Bench) -> None:
    await bench.settle()
    async with asyncio.timeout(5.0):
        await bench.processor.stop(60.0)


# Figures


async def test_the_figures_have_the_names_of_the_contract(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(workers=1, capacity=7)
    assert bench.processor.stats() == {
        "max_workers": 1,
        "max_queue_size": 7,
        "queue_length": 0,
        "started": False,
        "busy_workers": 0,
        "submitted": 0,
        "rejected": 0,
        "completed": 0,
        "skipped": 0,
    }
    bench.processor.start()
    bench.submit("hold")
    await bench.settle()
    bench.submit("a")
    bench.submit("b")
    stats = bench.processor.stats()
    assert (stats["started"], stats["queue_length"], stats["busy_workers"]) == (True, 2, 1)
    bench.answer("hold")
    await bench.settle()
    stats = bench.processor.stats()
    assert (stats["submitted"], stats["completed"], stats["queue_length"], stats["busy_workers"]) == (3, 3, 0, 0)
    await bench.processor.stop(1.0)
    assert bench.processor.stats()["started"] is False


async def test_tasks_are_let_go_when_they_are_done(bench: Bench) -> None:
    session = Session()
    gone = weakref.ref(session)
    bench.submit("a", session=session)
    await bench.settle()
    del session
    gc.collect()
    assert gone() is None
