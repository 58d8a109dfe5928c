"""What the parts cost by themselves: a call of a service, a task through the queue."""

from __future__ import annotations

import timeit
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from benches.compiled import services
from benches.marks.row import Row
from benches.upstream import measure
from quicgw_fast import backend
from quicgw_fast.upstream import makers

if TYPE_CHECKING:
    from benches.marks.row import Figures

_SECONDS = 2.0
_TIMES = 100_000


async def call(maker: str, abreast: int) -> Figures:
    """Calls with so many under way; µs of the process, and of the thread in which Python runs."""
    async with services() as addresses:
        found = await measure(maker, addresses["business"], abreast, _SECONDS)
    return {"us": found["process"], "us in Python": found["thread"], "calls/s": found["rate"]}


async def queue(maker: str) -> Figures:
    """One task in and out again; ns."""
    if maker == "SimpleQueue":
        simple: SimpleQueue[object] = SimpleQueue()
        put, get = simple.put, simple.get
    else:
        tasks = backend.load(maker).TaskQueue(1000)
        put, get = tasks.try_push, tasks.try_pop  # type: ignore[assignment]
    timer = timeit.Timer("put(task); get()", globals={"put": put, "get": get, "task": object()})
    return {"ns": min(timer.repeat(7, _TIMES)) / _TIMES * 1e9}


ROWS = (
    *(
        Row(
            f"call-{abreast}",
            f"call of a service, {abreast} under way, µs",
            {maker: partial(call, maker, abreast) for maker in makers.MAKERS},
            mark,
            "TCP, there and back: 5 µs",
        )
        for abreast, mark in ((8, "≤ 16 (× 0.28), in Python ≤ 4"), (64, "≤ 10 (× 0.26)"))
    ),
    Row(
        "queue",
        "TaskQueue push and pop, ns",
        {name: partial(queue, name) for name in ("SimpleQueue", "rust", "python")},
        "rust ≤ × 1.3",
        "a builtin queue: × 1",
    ),
)
