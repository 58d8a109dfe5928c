"""A pusher that keeps what it is asked and answers as told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicgw_fast.proto import service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Taken:
    """A push whose answer may be waited for."""

    answer: pb.UnicastPushResponse
    waits: bool
    leave: asyncio.Event

    async def settled(self) -> pb.UnicastPushResponse:
        if self.waits:
            await self.leave.wait()
            self.answer.outcome = pb.PUSH_OUTCOME_ACKNOWLEDGED
        return self.answer

    def forgo(self) -> None:
        self.waits = False


class RecordingPusher:
    """Set ``error`` to make every call raise it."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self.error: Exception | None = None
        self.acknowledged = asyncio.Event()
        """Until it is set, whoever wants to wait does."""

    def _record(self, request: object) -> None:
        self.seen.append(request)
        if self.error is not None:
            raise self.error

    async def push(self, request: pb.UnicastPushRequest, *, follow: bool = False) -> Taken:
        self._record(request)
        answer = pb.UnicastPushResponse(success=False, message="nobody there", error_code="TARGET_NOT_FOUND")
        return Taken(answer, waits=follow or request.wait_ack_ms > 0, leave=self.acknowledged)

    async def batch(self, requests: Sequence[pb.UnicastPushRequest]) -> list[Taken]:
        return [await self.push(request) for request in requests]

    async def broadcast(self, request: pb.BroadcastRequest) -> pb.BroadcastResponse:
        self._record(request)
        return pb.BroadcastResponse(sent_count=7, message="ok")

    async def register(self, request: pb.UpstreamRegisterRequest) -> pb.UpstreamRegisterResponse:
        self._record(request)
        return pb.UpstreamRegisterResponse(success=True, message="welcome")


class RecordingGroups:
    """The same for groups and presence."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self.error: Exception | None = None

    def _record(self, request: object) -> None:
        self.seen.append(request)
        if self.error is not None:
            raise self.error

    async def join(self, request: pb.JoinGroupRequest) -> pb.GroupResponse:
        self._record(request)
        return pb.GroupResponse(success=True, message="joined", sessions=1)

    async def leave(self, request: pb.LeaveGroupRequest) -> pb.GroupResponse:
        self._record(request)
        return pb.GroupResponse(success=True, message="left", sessions=1)

    async def push(self, request: pb.GroupPushRequest) -> pb.GroupPushResponse:
        self._record(request)
        return pb.GroupPushResponse(success=True, message="sent", sent_count=3, pending_bytes=9, most_pending_bytes=4)

    async def members(self, request: pb.GroupMembersRequest) -> pb.GroupMembersResponse:
        self._record(request)
        return pb.GroupMembersResponse(success=True, members=[pb.GroupMember(openid="alice")])

    async def sessions_of(self, request: pb.SessionsOfRequest) -> pb.SessionsOfResponse:
        self._record(request)
        return pb.SessionsOfResponse(sessions=[pb.SessionPresence(session_id="s")])
