"""What a client has received, in order, and ways to wait for more."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from tests.support import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.proto import client_pb2 as pb
    from tests.support.raw_quic import CloseInfo


class Close(NamedTuple):
    """The close code and reason phrase of a connection that ended."""

    code: int
    reason: str


class ConnectionEndedError(ConnectionError):
    """The connection ended while something was awaited on it."""


class PushLog:
    """Every ServerPush of one connection in ``log``, in order of arrival, and how the connection ended."""

    def __init__(self) -> None:
        self.log: list[pb.ServerPush] = []
        self.arrivals: list[float] = []
        self.closed: CloseInfo | None = None
        self.on_push: Callable[[pb.ServerPush], None] | None = None
        self._by_msg: dict[int, list[pb.ServerPush]] = defaultdict(list)
        self._changed = asyncio.Event()
        self._taken = 0

    @property
    def numbered(self) -> list[pb.ServerPush]:
        """The pushes that carry a number, in order of arrival."""
        return [push for push in self.log if push.seq_id]

    @property
    def notifies(self) -> list[pb.ServerPush]:
        """The notifies, in order of arrival."""
        return [push for push in self.log if wire.is_notify(push)]

    @property
    def last_seq(self) -> int:
        """The highest number received, 0 when there is none."""
        return max((push.seq_id for push in self.log), default=0)

    def replies(self, msg_id: int) -> list[pb.ServerPush]:
        """Everything that has come for a request so far."""
        return self._by_msg[msg_id]

    async def wait_for(self, predicate: Callable[[pb.ServerPush], bool], within: float = 20.0) -> pb.ServerPush:
        """Return the first push of the whole log, past or to come, that satisfies ``predicate``."""
        seen = 0
        deadline = time.monotonic() + within
        while True:
            while seen < len(self.log):
                push = self.log[seen]
                if predicate(push):
                    return push
                seen += 1
            await self._change(deadline, "the awaited push")

    async def wait_count(
        self,
        count: int,
        predicate: Callable[[pb.ServerPush], bool] = lambda push: push.seq_id > 0,
        within: float = 20.0,
    ) -> list[pb.ServerPush]:
        """Wait until ``count`` pushes of the log satisfy ``predicate`` (by default: are numbered)."""
        seen = 0
        found: list[pb.ServerPush] = []
        deadline = time.monotonic() + within
        while True:
            found += filter(predicate, self.log[seen:])
            seen = len(self.log)
            if len(found) >= count:
                return found
            await self._change(deadline, f"{count} pushes ({len(found)} came)")

    async def reply(self, msg_id: int, within: float = 20.0) -> pb.ServerPush:
        """Return the first push that answers the request ``msg_id``."""
        deadline = time.monotonic() + within
        while not self._by_msg[msg_id]:
            await self._change(deadline, f"the reply to message {msg_id}")
        return self._by_msg[msg_id][0]

    async def next_push(self, within: float = 20.0) -> pb.ServerPush:
        """Return the next push that this method has not returned yet."""
        deadline = time.monotonic() + within
        while self._taken >= len(self.log):
            await self._change(deadline, "another push")
        self._taken += 1
        return self.log[self._taken - 1]

    async def wait_closed(self, within: float = 20.0) -> Close:
        """Wait for the end of the connection and return its code and reason; -1 means it was ended here."""
        deadline = time.monotonic() + within
        while self.closed is None:
            await self._change(deadline, "the end of the connection")
        return Close(self.closed.code, self.closed.reason)

    def assert_gap_free(self, first: int = 1) -> None:
        """Check that the numbered pushes are exactly first, first + 1, …: in order, no hole, none twice."""
        for expected, push in enumerate(self.numbered, first):
            assert push.seq_id == expected, (
                f"expected number {expected}, got {push.seq_id}\n{wire.describe_all(self.log)}"
            )

    async def _change(self, deadline: float, what: str) -> None:
        """Wait until something arrives or ends."""
        if self.closed is not None and what != "the end of the connection":
            raise ConnectionEndedError(
                f"ended with {self.closed.code:#x} {self.closed.reason!r} while waiting for {what}\n"
                + wire.describe_all(self.log)
            )
        try:
            # Not wait_for(): that of Python 3.11 can swallow a cancellation.
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(f"{what} did not come; the log:\n{wire.describe_all(self.log)}") from None

    def _signal(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _record(self, push: pb.ServerPush) -> None:
        self.log.append(push)
        self.arrivals.append(time.monotonic())
        if push.msg_id:
            self._by_msg[push.msg_id].append(push)
        if self.on_push is not None:
            self.on_push(push)

    def _ended(self, info: CloseInfo) -> None:
        if self.closed is None:
            self.closed = info
            self._signal()
