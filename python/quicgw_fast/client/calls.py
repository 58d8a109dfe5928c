"""The calls of one client: those that wait for a connection, those in flight, and their deadlines."""

from __future__ import annotations

import math
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.client import checks
from quicgw_fast.client.errors import CallTimeout, RateLimited, TooLarge
from quicgw_fast.client.session import NumberedRequest
from quicgw_fast.client.wire import TIMEOUT_HEADER, business_frame, business_request

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Mapping

    from quicgw_fast.client.checks import Octets
    from quicgw_fast.client.errors import QuicgwClientError, ReplyError
    from quicgw_fast.client.messages import ClientStats, Reply
    from quicgw_fast.client.pacer import Pacer
    from quicgw_fast.client.session import ClientSession
    from quicgw_fast.proto.client_pb2 import ClientRequest

_SWEEP_STEP = 0.002
"""Seconds between two looks for passed deadlines at least: many calls that end together are found together."""


class Draft(NamedTuple):
    """What the application asks for, checked."""

    action: str
    message: ClientRequest
    size: int
    """Bytes of its data."""
    timeout: float
    """Seconds from when it is made into a call."""


def draft(
    action: str,
    params: Mapping[str, str] | None,
    data: Octets,
    headers: Mapping[str, str] | None,
    timeout: float,
) -> Draft:
    """Check what is asked for; in any thread. Raises TypeError or ValueError for what cannot be sent."""
    message = business_request(action, params, data, headers)
    return Draft(action, message, memoryview(data).nbytes, checks.seconds("timeout", timeout, forever=True))


class ClientCall(NumberedRequest):
    """One call: its message, who waits for it, and until when."""

    __slots__ = ("_own_deadline", "action", "deadline", "future", "message", "order", "repeats", "timeout")

    def __init__(
        self,
        draft: Draft,
        deadline: float,
        future: asyncio.Future[Reply],
        *,
        order: int,
        repeats: bool,
    ) -> None:
        super().__init__()
        self.size = draft.size
        self.order = order
        """Its place in the order in which calls were made."""
        self.repeats = repeats
        """It is sent once more when the gateway refused it unread for its rate, or stopped before it accepted it."""
        self.action = draft.action
        self.message = draft.message
        self.timeout = draft.timeout
        self.deadline = deadline
        self.future = future
        self._own_deadline = TIMEOUT_HEADER in draft.message.headers

    def encode(self, seq: int, now: float) -> bytes:
        """Return the frame that sends this call as number ``seq``; the gateway gets the time that is left.

        A call that was given up is only sent again because its number must not be missing; it gets the shortest
        deadline there is.
        """
        if self.future.done():
            self.message.headers[TIMEOUT_HEADER] = "1"
        elif self.deadline != math.inf and not self._own_deadline:
            self.message.headers[TIMEOUT_HEADER] = str(max(1, math.ceil((self.deadline - now) * 1000)))
        return business_frame(self.message, seq)


class Calls:
    """Takes calls, numbers them in the order in which they were made, ends each exactly once."""

    def __init__(
        self, session: ClientSession[ClientCall], stats: ClientStats, pacer: Pacer, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._session = session
        self._stats = stats
        self._pacer = pacer
        self._loop = loop
        self._waiting: deque[ClientCall] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._made = 0

    @property
    def waiting(self) -> int:
        """Calls that have not been sent yet."""
        return len(self._waiting)

    def make(self, draft: Draft, *, repeats: bool = True) -> ClientCall:
        """Make a call with a running deadline; it goes nowhere yet."""
        deadline = self._loop.time() + draft.timeout
        self._made += 1
        call = ClientCall(draft, deadline, self._loop.create_future(), order=self._made, repeats=repeats)
        self._stats.calls += 1
        if deadline < self._timer_at:
            self._arm(deadline)
        return call

    def wait(self, call: ClientCall) -> None:
        """Keep ``call`` until it can be sent, behind all others."""
        self._waiting.append(call)

    def first_waiting(self) -> ClientCall | None:
        """Return the next call to send, without those that were given up."""
        while self._waiting and self._waiting[0].future.done():
            self._waiting.popleft()
        return self._waiting[0] if self._waiting else None

    def drop_first(self) -> None:
        """The call that first_waiting() returned is being sent."""
        self._waiting.popleft()

    def encode_new(self, call: ClientCall) -> bytes:
        """Number ``call`` and return its frame; b"" when it is too large, which is then its result."""
        try:
            frame = call.encode(self._session.next_seq, self._loop.time())
        except TooLarge as error:
            call.future.set_exception(error)
            return b""
        self._session.number(call, len(frame))
        return frame

    def encode_again(self, calls: Iterable[ClientCall]) -> bytes:
        """Return the frames of calls that the gateway has not got, with their old numbers."""
        now = self._loop.time()
        return b"".join(call.encode(call.seq, now) for call in calls)

    def answer(self, msg_id: int, result: Reply | ReplyError) -> None:
        """End the call that a reply belongs to."""
        call = self._session.settle(msg_id)
        if call is None or call.future.done():
            self._stats.unmatched_replies += 1
        elif isinstance(result, RateLimited) and self._again(call, result.retry_after):
            self._stats.repeated += 1
        elif isinstance(result, Exception):
            self._stats.errors += 1
            call.future.set_exception(result)
        else:
            self._stats.replies += 1
            call.future.set_result(result)

    def _again(self, call: ClientCall, retry_after: float | None) -> bool:
        """Let a call that the gateway refused unread wait for another try, in its old place, if it has the time.

        It does not run twice by that: a request over its limits was never passed on (protocol §3). No other error is
        followed by a repetition.
        """
        if retry_after is None:
            return False
        now = self._loop.time()
        self._pacer.refused(retry_after, now)
        if not call.repeats or now + retry_after >= call.deadline:
            return False
        self._wait_again(call)
        return True

    def send_anew(self, calls: Iterable[ClientCall]) -> list[ClientCall]:
        """Let calls wait once more that a gateway never accepted; returns those that nobody repeats."""
        rest = []
        for call in calls:
            if call.repeats:
                self._stats.repeated += 1
                self._wait_again(call)
            else:
                rest.append(call)
        return rest

    def _wait_again(self, call: ClientCall) -> None:
        """Keep ``call`` in the place that it had in the order of calls."""
        place = 0
        while place < len(self._waiting) and self._waiting[place].order < call.order:
            place += 1
        self._waiting.insert(place, call)

    def open_futures(self) -> list[asyncio.Future[Reply]]:
        """The results that somebody may still wait for."""
        every = chain(self._session.in_flight.values(), self._waiting)
        return [call.future for call in every if not call.future.done()]

    def fail(self, calls: Iterable[ClientCall], error: Callable[[], QuicgwClientError]) -> int:
        """End ``calls`` with an error each; returns how many were still waited for."""
        failed = 0
        for call in calls:
            if not call.future.done():
                call.future.set_exception(error())
                failed += 1
        return failed

    def close(self, error: Callable[[], QuicgwClientError]) -> None:
        """End everything that is open."""
        self.fail([*self._session.in_flight.values(), *self._waiting], error)
        self._session.forget_requests()
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._sweep)
        self._timer_at = at

    def _sweep(self) -> None:
        """End the calls whose deadline has passed: one timer for all calls, not one each."""
        self._timer, self._timer_at = None, math.inf
        now = self._loop.time()
        earliest = math.inf
        for calls, sent in ((self._session.in_flight.values(), True), (self._waiting, False)):
            for call in calls:
                if call.future.done():
                    continue
                if call.deadline <= now:
                    self._stats.timeouts += 1
                    call.future.set_exception(CallTimeout(call.action, call.timeout, sent))
                elif call.deadline < earliest:
                    earliest = call.deadline
        self.first_waiting()  # forgets those at the front that have just ended
        if earliest != math.inf:
            self._arm(max(earliest, now + _SWEEP_STEP))
