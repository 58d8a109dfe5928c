"""The embedded services in a process of their own: prints their addresses, and ends when its input does."""

from __future__ import annotations

import asyncio
import json
import sys

from quicgw_fast.demo.services import start_services


async def serve() -> None:
    """Serve until standard input is closed."""
    services = await start_services()
    try:
        print(json.dumps(services.addresses), flush=True)
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await services.stop()


if __name__ == "__main__":
    asyncio.run(serve())
