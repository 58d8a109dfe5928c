from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType


def test_first_in_first_out(engine: ModuleType) -> None:
    queue = engine.TaskQueue(3)
    assert [queue.try_push(task) for task in "abc"] == [True] * 3
    assert [queue.try_pop() for _ in range(4)] == ["a", "b", "c", None]


def test_it_never_exceeds_its_capacity(engine: ModuleType) -> None:
    queue = engine.TaskQueue(2)
    assert [queue.try_push(task) for task in range(3)] == [True, True, False]
    assert (len(queue), queue.capacity) == (2, 2)
    queue.try_pop()
    assert queue.try_push(3)
    assert queue.pop_many(9) == [1, 3]


def test_the_task_itself_comes_out(engine: ModuleType) -> None:
    queue, task = engine.TaskQueue(1), object()
    queue.try_push(task)
    assert queue.try_pop() is task


@pytest.mark.parametrize("falsy", [0, "", False, [], ()])
def test_falsy_tasks_are_tasks(engine: ModuleType, falsy: object) -> None:
    queue = engine.TaskQueue(2)
    queue.try_push(falsy)
    queue.try_push(falsy)
    assert queue.pop_many(2) == [falsy, falsy]


def test_none_is_no_task(engine: ModuleType) -> None:
    queue = engine.TaskQueue(1)
    with pytest.raises(TypeError, match="None"):
        queue.try_push(None)
    assert len(queue) == 0


def test_pop_many_takes_what_there_is(engine: ModuleType) -> None:
    queue = engine.TaskQueue(5)
    for task in range(5):
        queue.try_push(task)
    assert queue.pop_many(0) == []
    assert queue.pop_many(2) == [0, 1]
    assert queue.pop_many(2**64 - 1) == [2, 3, 4]
    assert queue.pop_many(1) == []


def test_a_closed_queue_takes_nothing_and_can_be_drained(engine: ModuleType) -> None:
    queue = engine.TaskQueue(3)
    queue.try_push("a")
    assert not queue.closed
    queue.close()
    queue.close()
    assert queue.closed
    assert not queue.try_push("b")
    assert [queue.try_pop(), queue.try_pop()] == ["a", None]


@pytest.mark.parametrize("capacity", [0, 2**24 + 1, 2**64 - 1])
def test_a_capacity_that_makes_no_sense(engine: ModuleType, capacity: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 16777216, not {capacity}"):
        engine.TaskQueue(capacity)


def test_it_can_say_what_its_tasks_are(engine: ModuleType) -> None:
    queue = engine.TaskQueue[int](1)
    assert queue.try_push(1)


def test_a_refused_task_is_not_kept(engine: ModuleType) -> None:
    class Task:
        pass

    queue, task = engine.TaskQueue(1), Task()
    queue.try_push(1)
    queue.try_push(task)
    seen = weakref.ref(task)
    del task
    assert seen() is None


def test_tasks_go_with_their_queue(engine: ModuleType) -> None:
    class Task:
        pass

    queue, task = engine.TaskQueue(1), Task()
    queue.try_push(task)
    seen = weakref.ref(task)
    del task
    assert seen() is not None
    del queue
    assert seen() is None


def test_a_cycle_through_the_queue_is_collected(engine: ModuleType) -> None:
    class Task:
        def __init__(self, queue: object) -> None:
            self.queue = queue

    queue = engine.TaskQueue(4)
    for _ in range(3):
        queue.try_push(Task(queue))
    seen = [weakref.ref(queue), weakref.ref(queue.try_pop())]
    queue.try_push(Task(queue))
    del queue
    gc.collect()
    assert [ref() for ref in seen] == [None, None]


def test_a_collection_leaves_a_living_queue_as_it_is(engine: ModuleType) -> None:
    queue = engine.TaskQueue(3)
    tasks = [[number] for number in range(4)]  # lists, so that the collector looks at them
    queue.try_push(tasks[0])
    queue.try_pop()
    for task in tasks[1:]:
        queue.try_push(task)
    queue.close()
    gc.collect()
    assert len(queue) == 3
    assert queue.pop_many(9) == tasks[1:]


def test_a_finaliser_may_use_the_queue_that_is_being_collected(engine: ModuleType) -> None:
    class Task:
        def __init__(self, queue: object, log: list[object]) -> None:
            self.queue = queue
            self.log = log

        def __del__(self) -> None:
            self.log.append(self.queue.try_push("late"))  # type: ignore[attr-defined]

    log: list[object] = []
    queue = engine.TaskQueue(2)
    queue.try_push(Task(queue, log))
    seen = weakref.ref(queue)
    del queue
    gc.collect()
    gc.collect()
    assert log == [True]
    assert seen() is None
