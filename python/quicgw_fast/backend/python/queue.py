"""The queue between the connections and the workers."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import Final, Generic, TypeVar, final

from quicgw_fast.backend.python import checks

MAX_CAPACITY: Final = 16777216

T = TypeVar("T")


@final
class TaskQueue(Generic[T]):
    """A bounded queue for producers and consumers in any threads. Nothing here ever waits for room or work.

    capacity: tasks, 1 to 16777216, else ValueError. Tasks of one producer come out in the order they went in.
    A closed queue takes no more tasks and can be drained.
    """

    __slots__ = ("__weakref__", "_capacity", "_closed", "_lock", "_tasks")

    def __init__(self, capacity: int) -> None:
        if not 1 <= checks.u64(capacity) <= MAX_CAPACITY:
            raise ValueError(f"capacity must be 1 to {MAX_CAPACITY}, not {capacity}")
        self._capacity = checks.u64(capacity)
        self._tasks: deque[T] = deque()
        self._closed = False
        self._lock = Lock()

    @property
    def capacity(self) -> int:
        """The most tasks that the queue holds."""
        return self._capacity

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed

    def try_push(self, task: T) -> bool:
        """Put a task in; False if the queue is full or closed. None cannot be a task: TypeError."""
        if task is None:
            raise TypeError("None cannot be a task")
        with self._lock:
            if self._closed or len(self._tasks) >= self._capacity:
                return False
            self._tasks.append(task)
            return True

    def try_pop(self) -> T | None:
        """Take the oldest task out; None if there is none."""
        try:
            return self._tasks.popleft()
        except IndexError:
            return None

    def pop_many(self, n: int) -> list[T]:
        """Take out the n oldest tasks, or as many as there are."""
        tasks: list[T] = []
        for _ in range(min(checks.u64(n), len(self._tasks))):
            task = self.try_pop()
            if task is None:
                break
            tasks.append(task)
        return tasks

    def close(self) -> None:
        """Take no more tasks. When this returns, every task that try_push accepted is there to be drained."""
        with self._lock:
            self._closed = True

    def __len__(self) -> int:
        return len(self._tasks)
