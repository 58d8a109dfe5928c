"""An upstream in a process of its own, so that it can be stopped and killed."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import quicgw_fast
from tests.support.raw_upstream import RawUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Process = asyncio.subprocess.Process

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def upstream_process(port: int = 0) -> AsyncIterator[tuple[Process, str]]:
    """Start one, and give its process and address when it listens; it is killed at the end, stopped or not."""
    package = Path(quicgw_fast.__file__).parents[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        str(port),
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{package}"},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        address = (await process.stdout.readline()).decode().strip()
        assert address
        yield process, address
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def main() -> None:
    server = RawUpstream()
    print(await server.start(f"127.0.0.1:{sys.argv[1]}"), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
