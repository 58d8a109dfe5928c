"""A regression check without seconds: how many calls the gateway's Python makes for a request, and for a session.

Gateway, services and load share this process; counted are the functions of the gateway and of aioquic, and the builtin
and compiled ones that they call, in the thread of the event loop. One request at a time leaves next to no room for
chance: what is left are timers and a few acknowledgements. ``calls.json`` has what is expected. More by ``MORE`` than
that fails. Where they have become fewer, ``--write`` writes it anew; ``--top 30`` shows which they are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aioquic
import uvloop

import quicgw_fast
from benches.gateways import FAST, NO_LIMITS, PLAIN, Combination
from benches.marks.load import sessions
from quicgw_fast.config import load
from quicgw_fast.demo.embedded import Certificate, embedded_gateway

if TYPE_CHECKING:
    from types import CodeType, FrameType


EXPECTED = Path(__file__).with_name("calls.json")
MORE = 1.2
"""Times the expected; runs differ by a twentieth."""
FEWER = 0.8
_REQUESTS = 300
_LOGINS = 20
_COMBINATIONS = {"plain": PLAIN, "fast": FAST}
_PACKAGE = Path(quicgw_fast.__file__).parent
_COUNTED = (str(_PACKAGE), str(Path(aioquic.__file__).parent))
_OTHERS = tuple(str(_PACKAGE / name) for name in ("demo", "client", "cli"))
"""The other end, which is in this process, too."""


class Calls:
    """Counts by function, while it is on."""

    def __init__(self) -> None:
        self.by_function: Counter[str] = Counter()
        self._counted: dict[CodeType, bool] = {}

    def __enter__(self) -> Calls:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, called: Any) -> None:
        if event not in {"call", "c_call"}:
            return
        code = frame.f_code
        counted = self._counted.get(code)
        if counted is None:
            file = code.co_filename
            counted = self._counted[code] = file.startswith(_COUNTED) and not file.startswith(_OTHERS)
        if counted:
            self.by_function[code.co_qualname if event == "call" else called.__qualname__] += 1


async def count(combination: Combination) -> dict[str, dict[str, float]]:
    """Return the calls, by function, of a request, and of a session that comes and goes."""
    flags: dict[str, dict[str, Any]] = {
        "server": {"quic": "127.0.0.1:0", "grpc": "127.0.0.1:0", "admin": "127.0.0.1:0"},
        "limits": dict(NO_LIMITS),
        "log": {"level": "error"},
    }
    for name, table in combination.tables.items():
        flags[name] = {**flags.get(name, {}), **table}
    with Certificate() as certificate:
        async with embedded_gateway(load(overrides=flags), certificate) as gateway:
            address = gateway.addresses.quic
            async with sessions(address, ["alice"]) as seen:
                await replies(seen, 50)  # what only the first ones need has been done
                with Calls() as requests:
                    made = await replies(seen, _REQUESTS)
                if refused := seen().errors:
                    raise SystemExit(f"requests were refused, which costs less than an answer: {refused}")
            with Calls() as logins:
                async with sessions(address, [f"login-{number}" for number in range(_LOGINS)], rate=0.0):
                    pass
    return {"request": _each(requests, made), "session": _each(logins, _LOGINS)}


async def replies(seen: Any, count: int) -> int:
    """Wait for so many replies, and return how many there were."""
    begin = now = seen().replies
    while now - begin < count:
        await asyncio.sleep(0.01)
        now = seen().replies
    return int(now - begin)


def _each(calls: Calls, times: int) -> dict[str, float]:
    return {name: count / times for name, count in calls.by_function.most_common()}


def verdict(expected: dict[str, dict[str, float]], found: dict[str, dict[str, float]]) -> list[str]:
    """Print the comparison; return what has become too many."""
    worse = []
    for combination, kinds in found.items():
        for kind, calls in kinds.items():
            ratio = calls / expected[combination][kind]
            words = f"{combination}: {calls:,.0f} calls for a {kind}, expected {expected[combination][kind]:,.0f}"
            print(f"{words} (× {ratio:.2f})" + (": fewer, --write says so" if ratio < FEWER else ""))
            if ratio > MORE:
                worse.append(words)
    return worse


def main() -> None:
    """Count, and compare or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="expect from now on what is found")
    parser.add_argument("--top", type=int, default=0, metavar="N", help="show the N functions with most calls")
    arguments = parser.parse_args()
    found = {}
    for name, combination in _COMBINATIONS.items():
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            by_function = runner.run(count(combination))
        for kind, calls in by_function.items():
            for function, times in list(calls.items())[: arguments.top]:
                print(f"{name}, {kind}: {times:8.2f} {function}")
        found[name] = {kind: round(sum(calls.values()), 1) for kind, calls in by_function.items()}
    if arguments.write:
        EXPECTED.write_text(json.dumps(found, indent=1) + "\n")
    worse = verdict(json.loads(EXPECTED.read_text()), found)
    if worse:
        sys.exit(
            "more calls than expected: make them fewer, or write down why there have to be more:\n" + "\n".join(worse)
        )


if __name__ == "__main__":
    main()
