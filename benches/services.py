"""The services behind a gateway that is measured: ``rust/bench/examples/services.rs``, in a process of its own.

They are compiled, so that they cost little beside the gateway, and it never waits for them.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parent.parent
_BUILD_AND_RUN = (
    "cargo", "run", "--release", "--quiet", "--locked", "--package", "quicgw-bench", "--example", "services",
)  # fmt: skip


@asynccontextmanager
async def services() -> AsyncIterator[dict[str, str]]:
    """Build and run the services; give their addresses by name."""
    process = await asyncio.create_subprocess_exec(
        *_BUILD_AND_RUN, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        addresses: dict[str, str] = json.loads(await process.stdout.readline())
        yield addresses
    finally:
        process.stdin.close()  # which is its sign to end
        await process.wait()
