"""Whether a directory could be used, looked at without joining anything: for checks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.clock import SystemClock
from quicgw_fast.cluster.address import DirectoryAddress
from quicgw_fast.cluster.link import DirectoryLink
from quicgw_fast.observe import Metrics

if TYPE_CHECKING:
    from quicgw_fast.cluster.link import Server


def probe(url: str) -> tuple[Server, float]:
    """Who answers there, and after how many seconds; raises DirectoryUnusable, which says what to do."""
    return asyncio.run(_probe(url))


async def _probe(url: str) -> tuple[Server, float]:
    clock = SystemClock()
    link = DirectoryLink(DirectoryAddress(url), clock, Metrics(), answer_within=1.0, changed=lambda: None)
    began = clock.now()
    try:
        return await link.start(), clock.now() - began
    finally:
        await link.close()
