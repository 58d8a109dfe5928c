"""What a call of a service costs the gateway's process, by each maker of upstream calls, with 8 and 64 under way.

The service has a process of its own, costs little and answers at once (``benches.compiled``).
The makers run in turn, each in a process of its own, several rounds; its CPU time is read from the operating system:
of the whole process, and of the thread in which Python runs. What counts is the ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import sys
import time
from typing import TYPE_CHECKING

import uvloop

from benches.compiled import ROOT, services
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.upstream import Directory, makers

if TYPE_CHECKING:
    from quicgw_fast.proto.service_pb2 import UpstreamResponse
    from quicgw_fast.upstream import Instance

ABREAST = (8, 64)
REQUEST = UpstreamRequest(session_id="s" * 36, openid="alice", action="echo", data=b"x" * 128, client_seq_id=7)


class Unwatched:
    """The listener of the channel."""

    def channel_up(self, instance: Instance) -> None: ...

    def channel_down(self, instance: Instance) -> None: ...


async def load(maker: str, address: str, abreast: int, seconds: float) -> dict[str, float]:
    """Call for some seconds; return µs of CPU per call, of the process and of this thread, and calls per second."""
    directory = Directory(("hello",))
    channel = makers.load(maker).open_channel(directory.add("hello", address), Unwatched(), None)
    await channel.wait_reached(5.0)
    calls = 0

    async def lanes(seconds: float) -> None:
        nonlocal calls
        until, left = time.monotonic() + seconds, abreast
        over = asyncio.get_running_loop().create_future()

        def done(outcome: UpstreamResponse | Exception) -> None:
            nonlocal calls, left
            calls += 1
            if isinstance(outcome, Exception):
                over.set_exception(outcome)
            elif time.monotonic() < until:
                channel.begin(REQUEST, 30.0, done)
            else:
                left -= 1
                if not left:
                    over.set_result(None)

        for _ in range(abreast):
            channel.begin(REQUEST, 30.0, done)
        await over

    await lanes(seconds / 4)
    calls = 0
    process, thread, began = cpu(resource.RUSAGE_SELF), cpu(resource.RUSAGE_THREAD), time.monotonic()
    await lanes(seconds)
    process, thread = cpu(resource.RUSAGE_SELF) - process, cpu(resource.RUSAGE_THREAD) - thread
    rate = calls / (time.monotonic() - began)
    await channel.close()
    return {"process": process / calls * 1e6, "thread": thread / calls * 1e6, "rate": rate}


def cpu(whom: int) -> float:
    """Seconds of user and system time."""
    used = resource.getrusage(whom)
    return used.ru_utime + used.ru_stime


async def measure(maker: str, address: str, abreast: int, seconds: float) -> dict[str, float]:
    """Do what ``load`` does in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benches.upstream", "--load", maker, address, str(abreast), str(seconds),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{maker}, {abreast} under way: ended with {process.returncode}")
    figures: dict[str, float] = json.loads(printed)
    return figures


async def compare(rounds: int, seconds: float) -> None:
    """Print a row for each maker and number of calls under way: medians, and the whole as a part of the default's."""
    print(f"{'maker':<8}{'under way':>10}{'us/call':>10}{'in Python':>11}{'calls/s':>10}{'ratio':>8}")
    async with services() as addresses:
        for abreast in ABREAST:
            runs = [
                {maker: await measure(maker, addresses["business"], abreast, seconds) for maker in makers.MAKERS}
                for _ in range(rounds)
            ]
            for maker in makers.MAKERS:
                of = {key: statistics.median(run[maker][key] for run in runs) for key in ("process", "thread", "rate")}
                ratio = statistics.median(run[maker]["process"] / run[makers.DEFAULT]["process"] for run in runs)
                print(
                    f"{maker:<8}{abreast:>10}{of['process']:>10.1f}{of['thread']:>11.1f}{of['rate']:>10.0f}{ratio:>8.2f}"
                )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--load", nargs=4, metavar=("MAKER", "ADDRESS", "ABREAST", "SECONDS"), help="one run, as JSON")
    arguments = parser.parse_args()
    if arguments.load:
        maker, address, abreast, seconds = arguments.load
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            print(json.dumps(runner.run(load(maker, address, int(abreast), float(seconds)))))
    else:
        asyncio.run(compare(arguments.rounds, arguments.seconds))


if __name__ == "__main__":
    main()
