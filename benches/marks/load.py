"""A load that goes on until somebody has measured what they wanted: the generator of ``quicgw bench``, in here."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benches.compiled import services
from benches.gateways import NO_LIMITS, Combination, cpu_seconds, gateway
from quicgw_fast._core import LoadRun
from quicgw_fast.cli.load.plan import LoadPlan
from quicgw_fast.config import split_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from typing import Any

    from quicgw_fast._core import LoadSnapshot

_FOR_EVER = 1e6
_LOOK = 0.02
"""Seconds between two looks at a run; each costs a lock and the percentiles."""


class Gateway:
    """A gateway under load, whose sessions come when they are asked for."""

    def __init__(self, addresses: Mapping[str, str], pid: int) -> None:
        self.addresses = addresses
        self.pid = pid
        self._openids = 0

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        return cpu_seconds(self.pid)

    def memory(self) -> float:
        """KiB that are resident."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return float(status.partition("VmRSS:")[2].split()[0])

    @asynccontextmanager
    async def sessions(self, count: int, *, rate: float = 0.0) -> AsyncIterator[Callable[[], LoadSnapshot]]:
        """Have ``count`` more sessions logged in, which send ``rate`` requests a second in all."""
        openids = [f"load-{self._openids + number}" for number in range(count)]
        self._openids += count
        async with sessions(self.addresses["quic"], openids, rate=rate) as seen:
            yield seen


@asynccontextmanager
async def sessions(
    address: str, openids: Sequence[str], *, rate: float | None = None
) -> AsyncIterator[Callable[[], LoadSnapshot]]:
    """Have sessions logged in, which send ``rate`` requests a second in all, or one at a time each.

    Gives the view of what is counted. Raises SystemExit where they cannot be, and for a broken promise.
    """
    host, port = split_address(address)
    run = LoadRun(
        LoadPlan(
            host=host, port=port, server_name=host, authorities=None, clients=[(openid, "") for openid in openids],
            sockets=1, in_flight=1, rate=rate, actions=[("echo", 1)], payloads=[(128, 1)], params=[], ramp=0.0,
            warm_up=0.0, duration=_FOR_EVER, connect_timeout=120.0, reply_timeout=35.0,
        )
    )  # fmt: skip
    work = asyncio.ensure_future(asyncio.to_thread(run.run))
    try:
        while not work.done() and run.snapshot().phase != "measure":
            await asyncio.sleep(_LOOK)
        if work.done():
            raise SystemExit(f"the load failed: {work.result()}")
        yield run.snapshot
    finally:
        run.stop()
        await asyncio.wait((work,))
    if run.snapshot().violations:
        raise SystemExit(f"a promise was broken: {run.snapshot().violation_texts}")


@asynccontextmanager
async def running(combination: Combination, session: Mapping[str, Any] | None = None) -> AsyncIterator[Gateway]:
    """Run a gateway of its own, with services; ``session`` is of its configuration."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            services() as upstreams,
            gateway(combination, Path(folder), upstreams, limits=NO_LIMITS, session=session or {}) as (addresses, pid),
        ):
            yield Gateway(addresses, pid)
