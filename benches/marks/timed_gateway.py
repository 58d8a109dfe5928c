"""``quicgw`` with a clock in the gateway's event loop, which writes ``stalls.json`` when the gateway stops."""

from __future__ import annotations

import asyncio
import json
import statistics
from pathlib import Path

import quicgw_fast.gateway
from quicgw_fast.cli import main

_EVERY = 0.005
"""Seconds between two moments at which the loop should look."""


class TimedGateway(quicgw_fast.gateway.Gateway):
    """Notes how late the loop is, also for moments that it missed: a long stall is not one among many."""

    async def __aenter__(self) -> TimedGateway:
        await super().__aenter__()
        self._late: list[float] = []
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + _EVERY
        self._timer = self._loop.call_at(self._due, self._look)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._timer.cancel()
        await super().__aexit__(*_)
        self._write()

    def _write(self) -> None:
        cuts = statistics.quantiles(self._late, n=1000)
        found = {"p99 ms": cuts[989] * 1e3, "p50 ms": cuts[499] * 1e3, "p99.9 ms": cuts[998] * 1e3}
        Path("stalls.json").write_text(json.dumps(found))

    def _look(self) -> None:
        now = self._loop.time()
        while self._due <= now:
            self._late.append(now - self._due)
            self._due += _EVERY
        self._timer = self._loop.call_at(self._due, self._look)


if __name__ == "__main__":
    quicgw_fast.gateway.Gateway = TimedGateway  # type: ignore[misc]
    main()
