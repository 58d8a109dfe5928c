"""Runs the attacks on both makers of QUIC, and prints what honest clients notice of them."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import time

from benches.attacks import door, frames, guesses, messages, packets, services, sessions  # noqa: F401 - enter theirs
from benches.attacks.base import ATTACKS, Sent, Target
from benches.attacks.measure import TRANSPORTS, Row, run_one
from benches.attacks.report import HEADER, keep, line, write
from quicgw_fast.demo.services import start_services


async def run(names: list[str], transports: list[str], seconds: float, python: str) -> None:
    """Print the table, row by row; the first of each transport is without an attack."""
    rows: list[Row] = []
    upstreams = await start_services()
    try:
        print(HEADER, flush=True)
        for name in (None, *names):
            for transport in transports:
                row = await run_one(name, upstreams.addresses, seconds, transport, python=python)
                rows.append(row)
                keep([row])
                print(line(row, rows), flush=True)
    finally:
        await upstreams.stop()


async def attack(name: str, target: Target) -> Sent:
    """Run an attack in this process.

    Where those that are measured have a priority (chrt(1)), it has the lowest of that kind, and rests for a fifth of
    its time: the kernel stops all who have one, 50 ms in each second, once they use up a processor (sched(7)).
    """
    pacing = None
    if os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        pacing = asyncio.ensure_future(rest_now_and_then())
    try:
        return await ATTACKS[name].send(target, time.monotonic() + target.seconds)
    finally:
        if pacing is not None:
            pacing.cancel()


async def rest_now_and_then() -> None:
    """Stop this process for 2 ms of each 10."""
    while True:
        await asyncio.sleep(0.008)
        time.sleep(0.002)  # noqa: ASYNC251 - all of it is to stop


def main() -> None:
    """Read the arguments; ``--attack`` is for the attacker's process."""
    parser = argparse.ArgumentParser(description="Attack a gateway process, and show what honest clients notice.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(ATTACKS)}; all without one")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each attack lasts")
    parser.add_argument("--transport", choices=list(TRANSPORTS), help="of one alone; of both without")
    parser.add_argument("--python", default=sys.executable, help="whose quicgw_fast is the gateway: another build's")
    parser.add_argument("--write", action="store_true", help="write what is kept into docs/attacks.md")
    parser.add_argument("--attack", metavar="TARGET", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(ATTACKS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(ATTACKS)}")
    if arguments.attack:
        logging.disable()  # an attacker's QUIC has much to complain about
        target = Target(**json.loads(arguments.attack))
        print(json.dumps(asyncio.run(attack(arguments.names[0], target))))
        return
    transports = [arguments.transport] if arguments.transport else list(TRANSPORTS)
    asyncio.run(run(arguments.names or list(ATTACKS), transports, arguments.seconds, arguments.python))
    if arguments.write:
        write()


if __name__ == "__main__":
    main()
