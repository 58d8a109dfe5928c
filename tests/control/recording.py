"""A pusher that keeps what it is asked and answers as told."""

from __future__ import annotations

from quicgw_fast.proto import service_pb2 as pb


class RecordingPusher:
    """Set ``error`` to make every call raise it."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self.error: Exception | None = None

    def _record(self, request: object) -> None:
        self.seen.append(request)
        if self.error is not None:
            raise self.error

    async def push(self, request: pb.UnicastPushRequest) -> pb.UnicastPushResponse:
        self._record(request)
        return pb.UnicastPushResponse(success=False, message="nobody there", error_code="TARGET_NOT_FOUND")

    async def broadcast(self, request: pb.BroadcastRequest) -> pb.BroadcastResponse:
        self._record(request)
        return pb.BroadcastResponse(sent_count=7, message="ok")

    async def register(self, request: pb.UpstreamRegisterRequest) -> pb.UpstreamRegisterResponse:
        self._record(request)
        return pb.UpstreamRegisterResponse(success=True, message="welcome")
