"""The gateway's gRPC port in a process of its own, whose memory can be measured.

A push takes so many seconds as the first argument says, 0.4 without one.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from quicgw_fast.config import join_address
from tests.control.doors import start_control
from tests.control.recording import RecordingPusher

if TYPE_CHECKING:
    from quicgw_fast.proto import service_pb2 as pb


SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 0.4


class SlowPusher(RecordingPusher):
    async def push(self, request: pb.UnicastPushRequest) -> pb.UnicastPushResponse:
        await asyncio.sleep(SECONDS)
        answer = await super().push(request)
        self.seen.clear()
        return answer


async def main() -> None:
    control = await start_control(SlowPusher())
    print(join_address(*control.address), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
