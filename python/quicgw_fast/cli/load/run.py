"""One run from the command line: the address, the thread that does the work, signals, and the exit status."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quicgw_fast.cli.calling import advice_for
from quicgw_fast.cli.event_loop import Signals
from quicgw_fast.cli.load.progress import progress
from quicgw_fast.cli.load.report import KIND, CpuPerRequest, figures, load_figures, ratios, table
from quicgw_fast.cli.printing import say_json
from quicgw_fast.cli.statuses import Status
from quicgw_fast.errors import StartupError
from quicgw_fast.transport import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast._core import LoadRun, LoadSnapshot
    from quicgw_fast.cli.load.plan import LoadPlan
    from quicgw_fast.cli.load.processor_time import ProcessorTime

TICK = 0.25
"""Seconds between two looks at a run."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be shown of a run."""

    as_json: bool
    quiet: bool
    saved: Path | None
    """A run to compare with."""
    gateway: ProcessorTime | None
    """The processor time of the gateway, where it is to be measured."""


async def bench(plan: LoadPlan, wanted: Wanted) -> int:
    """Do what ``plan`` says, print what was found, and return the exit status.

    ``plan.host`` may be a name. The first signal ends the run, and what there is is printed. Raises Interrupted then,
    and StartupError when the gateway cannot be reached or the saved run cannot be read.
    """
    saved = None if wanted.saved is None else load_figures(wanted.saved)
    with Signals() as signals:
        found, cpu = await _at_first_address(plan, wanted, signals)
        interrupted = signals.came
        report = figures(plan, found, cpu, interrupted=interrupted)
        if wanted.as_json:
            say_json(KIND, report if saved is None else {**report, "ratios": ratios(report, saved)})
        else:
            print("\n".join(table(report, saved)), flush=True)
        broken = found.violations or found.closed
        status = Status.NO if broken else Status.DONE
        if not broken:
            signals.check()
    return status


async def _at_first_address(plan: LoadPlan, wanted: Wanted, signals: Signals) -> tuple[LoadSnapshot, CpuPerRequest]:
    """Run at the first address of the host at which something listens."""
    make = _load_run()
    try:
        found = await asyncio.get_running_loop().getaddrinfo(plan.host, plan.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise StartupError(f"the host {plan.host} is unknown ({error.strerror}): check its name") from error
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    problem, words = Problem.UNKNOWN_HOST, f"the host {plan.host} has no address"
    for address in addresses:
        run = make(replace(plan, host=address))
        cpu, failure = await _watch(run, plan, wanted, signals)
        if failure is None:
            return run.snapshot(), cpu
        problem, words = Problem(failure[0]), failure[1]
        if problem is not Problem.NOTHING_LISTENS:
            break
    raise StartupError(words + advice_for(problem, "ADDRESS names another one"))


def _load_run() -> type[LoadRun]:
    """Return what does the work; StartupError when it is not built."""
    try:
        from quicgw_fast._core import LoadRun
    except ImportError as error:
        raise StartupError(
            "the load generator is not in this build of quicgw_fast (feature `bench` of the extension): install a "
            "wheel of it, or build it with make setup"
        ) from error
    return LoadRun


async def _watch(
    run: LoadRun, plan: LoadPlan, wanted: Wanted, signals: Signals
) -> tuple[CpuPerRequest, tuple[str, str] | None]:
    """Run in a thread; returns what a request cost, and why the run ended early."""
    meter = Meter(wanted.gateway)
    work = asyncio.ensure_future(asyncio.to_thread(run.run))
    signal = asyncio.ensure_future(signals.wait())
    signal.add_done_callback(lambda _: run.stop())
    try:
        with progress(plan, quiet=wanted.quiet or wanted.as_json) as shown:
            while not work.done():
                await asyncio.wait((work,), timeout=TICK)
                found = run.snapshot()
                meter.look(found)
                shown.show(found, time.monotonic())
        return meter.cost(), work.result()
    finally:
        signal.cancel()
        run.stop()
        await asyncio.wait((work,))


class Meter:
    """Processor time at the first and at the last look of the time that is measured."""

    def __init__(self, gateway: ProcessorTime | None) -> None:
        self._gateway = gateway
        self._looks: list[tuple[int, float, float]] = []

    def look(self, found: LoadSnapshot) -> None:
        """Note what was used, and for how many replies."""
        if found.phase == "measure":
            gateway = 0.0 if self._gateway is None else self._gateway.seconds()
            self._looks = [*self._looks[:1], (found.replies, gateway, time.process_time())]

    def cost(self) -> CpuPerRequest:
        """Return microseconds for each reply."""
        if len(self._looks) < 2 or self._looks[0][0] == self._looks[1][0]:
            return CpuPerRequest()
        (replies, *used), (replies_now, *used_now) = self._looks
        gateway, generator = (
            (now - before) / (replies_now - replies) * 1e6 for before, now in zip(used, used_now, strict=True)
        )
        return CpuPerRequest(None if self._gateway is None else gateway, generator)
