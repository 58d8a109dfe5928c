"""The gateway's gRPC port in a process of its own, whose memory can be measured; a push takes 0.4 s."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.config import join_address
from tests.control.doors import start_control
from tests.control.recording import RecordingPusher

if TYPE_CHECKING:
    from quicgw_fast.proto import service_pb2 as pb


class SlowPusher(RecordingPusher):
    async def push(self, request: pb.UnicastPushRequest) -> pb.UnicastPushResponse:
        await asyncio.sleep(0.4)
        answer = await super().push(request)
        self.seen.clear()
        return answer


async def main() -> None:
    control = await start_control(SlowPusher())
    print(join_address(*control.address), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
