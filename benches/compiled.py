"""The compiled helpers of the benchmarks: the examples of ``rust/bench``, each run in a process of its own."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parent.parent
_RUN = ("cargo", "run", "--release", "--quiet", "--locked", "--package", "quicgw-bench", "--example")


@asynccontextmanager
async def example(name: str, *arguments: str) -> AsyncIterator[tuple[StreamWriter, StreamReader]]:
    """Build and run an example; give its standard input, whose end is its end, and its output."""
    process = await asyncio.create_subprocess_exec(
        *_RUN, name, "--", *arguments, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdin, process.stdout
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def services() -> AsyncIterator[dict[str, str]]:
    """Run the services behind a gateway, and give their addresses by name."""
    async with example("services") as (_, output):
        addresses: dict[str, str] = json.loads(await output.readline())
        yield addresses
