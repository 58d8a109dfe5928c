"""An upstream in a process of its own, so that it can be killed: ``upstream_process.py PORT``."""

from __future__ import annotations

import asyncio
import sys

from tests.support.raw_upstream import RawUpstream


async def main() -> None:
    server = RawUpstream()
    print(await server.start(f"127.0.0.1:{sys.argv[1]}"), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
