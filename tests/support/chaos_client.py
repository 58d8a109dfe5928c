"""A client that keeps coming back, over the raw client, and lets the checker look at everything it gets."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.checker import History
from tests.support.raw_client import Close, HandshakeError, RawClient, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Habits:
    """How a chaos client behaves; times in seconds."""

    ack_every: int = 16
    """Acknowledge after so many new pushes, and whenever ``ack_after`` has passed."""
    ack_after: float = 0.05
    heartbeat: float = 0.5
    dead_after: float = 3.0
    """Give a connection up on which nothing came for so long."""
    wants_answers: bool = False
    """Whether only an answer is a sign of life: its own way up may be cut while pushes still come down."""
    handshake: float = 3.0
    pause: tuple[float, float] = (0.0, 0.05)
    """Bounds of the time between two connections."""
    forgetful: bool = True
    """Resume now and then from the last acknowledgement, not the last push: an application that crashed."""


@dataclass(slots=True)
class Pending:
    """A request without a reply."""

    seq: int
    msg_id: int
    action: str
    params: Mapping[str, str]
    data: bytes
    done: asyncio.Future[pb.ServerPush | None]


@dataclass(slots=True)
class Counts:
    """What a client lived through."""

    connections: int = 0
    failed_handshakes: int = 0
    given_up: int = 0
    closes: list[Close] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class ChaosClient:
    """One openid. ``async with`` runs it; ``history`` holds what it saw, ``counts`` what it lived through."""

    def __init__(
        self,
        openid: str,
        address: tuple[str, int],
        *,
        seed: int = 0,
        habits: Habits | None = None,
        token: str = "",
    ) -> None:
        self.openid = openid
        self.address = address
        self.history = History(openid)
        self.counts = Counts()
        self.diary: list[tuple[float, str]] = []
        """What happened to its connections, and when (wall clock), for people."""
        self.logged_in = asyncio.Event()
        self._habits = habits or Habits()
        self._token = token
        self._random = random.Random(seed)
        self._raw: RawClient | None = None
        self._acked = 0
        self._next_seq = 1
        self._next_msg = 1
        self._pending: dict[int, Pending] = {}
        self._ids: set[str] = set()
        self._heard = self._beaten = 0.0
        self._attached = False
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # ---- what a test does with it

    async def __aenter__(self) -> ChaosClient:
        self._task = asyncio.create_task(self._live())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if not self._task.cancelled() and (failure := self._task.exception()) is not None:
            raise failure

    async def login(self, within: float = 20.0) -> None:
        """Wait until it is logged in."""
        async with asyncio.timeout(within):
            await self.logged_in.wait()

    @property
    def alive(self) -> bool:
        """Whether a connection is there."""
        return self._raw is not None and self._raw.closed is None

    def standing(self) -> str:
        """How it is, for people."""
        silent = time.monotonic() - self._heard
        there = "connected" if self.alive else "not connected"
        return (
            f"{there}, {'started' if self._attached else 'not started'}, heard something {silent:.1f} s ago, "
            f"has number {self.history.last}, waits for {sorted(each.seq for each in self._pending.values())}"
        )

    def drop(self) -> None:
        """Cut the present connection without a word; the client comes back by itself."""
        if self._raw is not None:
            self._raw.abandon()

    async def rebind(self) -> None:
        """Go on from another local port."""
        if self._raw is not None and self.alive:
            await self._raw.rebind()

    def request(
        self, action: str, data: bytes = b"", params: Mapping[str, str] | None = None
    ) -> asyncio.Future[pb.ServerPush | None]:
        """Send a request, now or when connected again; the result is its reply, or None after a reset."""
        future: asyncio.Future[pb.ServerPush | None] = asyncio.get_running_loop().create_future()
        pending = Pending(self._next_seq, self._next_msg, action, params or {}, data, future)
        self._next_seq += 1
        self._next_msg += 1
        self._pending[pending.msg_id] = pending
        if self._attached:
            self._send(pending)
        return future

    async def settled(self, number: int, within: float = 30.0) -> None:
        """Wait until the pushes up to ``number`` have come."""
        await self._until(lambda: self.history.last >= number, within, f"number {number}")

    async def received(self, push_id: str, within: float = 30.0) -> None:
        """Wait until a notify with this id as data has come."""
        await self._until(lambda: push_id in self._ids, within, push_id)

    async def _until(self, condition: Callable[[], bool], within: float, what: str) -> None:
        deadline = time.monotonic() + within
        while not condition():
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    await self._moved.wait()
            except TimeoutError:
                said = f"last {self.history.last}, {self.counts}, {self.history.problems[:5]}"
                raise TimeoutError(f"{self.openid}: {what} did not come; {said}") from None

    def _note(self, what: str) -> None:
        self.diary.append((time.time(), what))

    # ---- its life

    async def _live(self) -> None:
        while True:
            try:
                raw = await connect(*self.address, within=self._habits.handshake)
            except HandshakeError:
                self.counts.failed_handshakes += 1
            else:
                self.counts.connections += 1
                async with raw:
                    await self._serve(raw)
            await asyncio.sleep(self._random.uniform(*self._habits.pause))

    async def _serve(self, raw: RawClient) -> None:
        """Use one connection to its end."""
        self._raw, self._attached, self._heard = raw, False, time.monotonic()
        raw.on_push = self._pushed
        self._start(raw)
        try:
            while raw.closed is None:
                try:
                    await raw.wait_closed(within=self._habits.ack_after)
                except TimeoutError:
                    self._tick(raw)
        finally:
            self._raw, self._attached = None, False
        self.counts.closes.append(Close(raw.closed.code, raw.closed.reason))
        self._note(f"closed {raw.closed.code:#x} {raw.closed.reason}, last number {self.history.last}")

    def _start(self, raw: RawClient) -> None:
        history, current = self.history, self.history.current
        forgetful = self._habits.forgetful and self._random.random() < 0.3
        resume_from = self._acked if forgetful else history.last
        session_id, epoch = (current.session_id, current.epoch) if current else ("", "")
        self._acked = max(self._acked, resume_from)  # a START acknowledges, even if its answer never comes
        history.starting(resume_from, session_id)
        body = pb.StartRequest(
            openid=self.openid,
            auth_token=self._token,
            last_acked_seq_id=resume_from,
            session_id=session_id,
            epoch=epoch,
        )
        raw.next_msg, self._next_msg = self._next_msg, self._next_msg + 1
        raw.request(pb.REQUEST_START, body.SerializeToString())
        self._note(f"START of {session_id or 'nothing'} from {resume_from}, by port {raw.local_port}")

    def _tick(self, raw: RawClient) -> None:
        """Acknowledge what was not, show that we live, and see whether the other side does."""
        now = time.monotonic()
        if now - self._heard > self._habits.dead_after:
            self.counts.given_up += 1
            raw.abandon()
            return
        if self._attached:
            self._acknowledge(raw)
            since = self._beaten if self._habits.wants_answers else max(self._heard, self._beaten)
            if now - since > self._habits.heartbeat:
                self._beaten = now
                raw.heartbeat()

    def _acknowledge(self, raw: RawClient) -> None:
        if self.history.last > self._acked:
            self._acked = self.history.last
            raw.ack(self._acked)

    # ---- what comes in

    def _pushed(self, push: pb.ServerPush) -> None:
        if push.msg_id or not self._habits.wants_answers:
            self._heard = time.monotonic()
        if push.type == pb.PUSH_START_RESP:
            self._started(push)
        elif self.history.pushed(push):
            self._arrived(push)
        self._moved.set()
        self._moved = asyncio.Event()
        raw = self._raw
        if raw is not None and self.history.last - self._acked >= self._habits.ack_every:
            self._acknowledge(raw)

    def _arrived(self, push: pb.ServerPush) -> None:
        if wire.is_notify(push):
            self._ids.add(wire.business(push).data.decode())
        pending = self._pending.pop(push.msg_id, None)
        if pending is not None and not pending.done.done():
            pending.done.set_result(push)

    def _started(self, push: pb.ServerPush) -> None:
        response = pb.StartResponse.FromString(push.payload)
        if not response.success:
            self.counts.refused.append(response.error.error_message)
            self._note(f"refused: {response.error.error_message}, {response.error.detail}")
            return
        how = "resumed" if response.resumed else f"new, {pb.ResetReason.Name(response.reset_reason)}"
        self._note(f"started {response.connection_id}, {how}, {response.max_client_seq} requests are there")
        self.history.started(response, push.headers)
        self._attached = True
        if response.resumed:
            for pending in sorted(self._pending.values(), key=lambda p: p.seq):
                if pending.seq > response.max_client_seq:
                    self._send(pending)
            return
        self._acked = self.history.last
        lost, self._pending = self._pending, {}
        for pending in lost.values():
            pending.done.cancel() if pending.action == "hello" else pending.done.set_result(None)
        self.request("hello").add_done_callback(self._logged_in)

    def _logged_in(self, hello: asyncio.Future[pb.ServerPush | None]) -> None:
        if not hello.cancelled():
            self.logged_in.set()

    def _send(self, pending: Pending) -> None:
        raw = self._raw
        assert raw is not None
        body = pb.BusinessRequest(action=pending.action, params=pending.params, data=pending.data)
        request = pb.ClientRequest(msg_id=pending.msg_id, seq_id=pending.seq, payload=body.SerializeToString())
        request.type = pb.REQUEST_BUSINESS
        raw.send(request)
