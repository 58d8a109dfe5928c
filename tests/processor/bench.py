"""A processor with real asyncio and the real queue; the service is an async function, which is its port."""

from __future__ import annotations

import asyncio
import functools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import RequestError
from quicgw_fast.observe import Metrics, render_stats
from quicgw_fast.overload import StandingQueue
from quicgw_fast.processor import AsyncRequestProcessor, AsyncTask, execute
from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
from tests.support.clock import Clock
from tests.support.completions import begun

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from quicgw_fast.ports import Metadata


@dataclass(eq=False)
class Session:
    """As much of a session as the processor hands through."""

    valid: bool = True


class RealTime:
    """The event loop's clock and timers, for a test about the loop."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return time.time()

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(delay, callback)


@dataclass
class Bench:
    """A processor with everything around it under the test's control."""

    engine: ModuleType
    workers: int = 2
    capacity: int = 100
    clock: Clock | RealTime = field(default_factory=Clock)
    calls: list[str] = field(default_factory=list)
    held: dict[str, asyncio.Future[UpstreamResponse]] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    replies: list[tuple[str, UpstreamResponse | RequestError]] = field(default_factory=list)
    broken_reply: bool = False
    session: Session = field(default_factory=Session)
    metrics: Metrics = field(default_factory=Metrics)
    running: int = 0
    most_running: int = 0

    def __post_init__(self) -> None:
        clock = self.face = self.clock.face if isinstance(self.clock, Clock) else self.clock
        self.processor: AsyncRequestProcessor[Session, UpstreamResponse] = AsyncRequestProcessor(
            self.engine.TaskQueue(self.capacity),
            self.workers,
            StandingQueue(0.1, 1.0, self.workers, self.capacity),
            clock,
            self.metrics.part("pool", "requests"),
            work=functools.partial(execute, call=begun(self.call), clock=clock),
            reply=self.reply,
            is_valid=lambda session, _now: session.valid,
        )

    async def call(self, request: UpstreamRequest, remaining: float, metadata: Metadata) -> UpstreamResponse:
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
                raise RequestError(ErrorCode.FAILED, "failed")
            return UpstreamResponse(code=200, message=request.action)
        except asyncio.CancelledError:
            self.cancelled.append(request.action)
            raise
        finally:
            self.running -= 1

    def reply(self, task: AsyncTask, outcome: UpstreamResponse | RequestError) -> None:
        if self.broken_reply:
            raise KeyError("a bug in the reply")
        self.replies.append((task.request.action, outcome))

    def submit(self, action: str, *, session: Session | None = None, within: float = 30.0) -> bool:
        """Submit a task of the one session, or of another one, whose deadline is so many seconds from now."""
        request = UpstreamRequest(session_id="s", client_seq_id=1 + len(self.calls), action=action)
        now = self.face.now()
        task = AsyncTask(session or self.session, 1, request, now, now + within)
        return self.processor.submit(task)

    def answer(self, action: str) -> None:
        self.held[action].set_result(UpstreamResponse(code=200))

    def stats(self) -> dict[str, float]:
        """What /stats shows of it."""
        return render_stats(self.metrics, {"engine": ""}, [])["processor"]

    def stat(self, name: str) -> float:
        return self.stats()[name]

    @property
    def codes(self) -> dict[str, list[int]]:
        """All replies by action."""
        found: dict[str, list[int]] = {}
        for action, outcome in self.replies:
            found.setdefault(action, []).append(outcome.code)
        return found

    async def settle(self) -> None:
        for _ in range(100):
            await asyncio.sleep(0)
