"""A keeper of replicas that writes when the test says so, and what another house makes of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.placement import ReplicaRecord, Written
from quicgw_fast.proto.session_pb2 import SessionReplica
from quicgw_fast.session import revive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quicgw_fast.session import Session
    from tests.flow.house import House


class Shelf:
    """``replicas`` by openid."""

    def __init__(self, replicas: dict[str, bytes] | None = None) -> None:
        self.replicas = {} if replicas is None else replicas
        self.holds = False
        """Whether what is to be written waits for ``write_some``."""
        self.ready = True
        self.life = "one"
        self.outcome = Written.DONE
        """Of what is written from now on."""
        self.later: set[str] = set()
        """Openids of which nothing can be written now."""
        self.refreshed: list[str] = []
        self.calls = 0
        self._waiting: list[tuple[Sequence[ReplicaRecord], asyncio.Future[list[Written]]]] = []

    def write(self, records: Sequence[ReplicaRecord]) -> asyncio.Future[list[Written]]:
        self.calls += 1
        assert not self._waiting, "one call is under way at a time"
        self._waiting.append((records, asyncio.get_running_loop().create_future()))
        if not self.holds:
            asyncio.get_running_loop().call_soon(self.write_some)
        return self._waiting[-1][1]

    def write_some(self) -> None:
        while self._waiting:
            records, answer = self._waiting.pop()
            answer.set_result([self._write(record) for record in records])

    def refresh(self, openids: Sequence[str]) -> None:
        self.refreshed += openids

    def _write(self, record: ReplicaRecord) -> Written:
        if record.openid in self.later:
            return Written.LATER
        before = self.replicas.get(record.openid, b"") if record.behind else b""
        if self.outcome is Written.DONE and len(before) != record.behind:
            return Written.AGAIN
        if self.outcome is Written.DONE:
            self.replicas[record.openid] = before + record.data
        return self.outcome

    def revive(self, openid: str, there: House) -> Session:
        """The house died that had it: have its session go on there."""
        state = revive(SessionReplica.FromString(self.replicas[openid]))
        (session,) = there.path.moving.arrivals.arrive([state], "dead")
        return session
