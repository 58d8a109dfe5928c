"""Twenty reloads under an open loop of requests, beside the same load without: ``make reloads``.

Each reload brings another certificate and key, routing, addresses of services and times. The load generator counts
every reply; what is lost, or closed, is in the table.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benches.gateways import FAST, NO_LIMITS, PLAIN, Combination, gateway
from quicgw_fast.cli.asking import ask_admin
from quicgw_fast.demo.services import start_services
from quicgw_fast.transport import development_certificate

RELOADS = 20
SESSIONS, RATE, SECONDS = 200, 400, 12
HEADER = (
    "| parts | load | replies | p50 / p99 / longest ms | lost | closed | reload p50 / longest ms |\n"
    "|---|---|---|---|---|---|---|"
)


async def load(address: str) -> dict[str, Any]:
    """Put the load on a gateway; returns what was measured."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "quicgw_fast", "bench", address, "--insecure", "--json", "--sessions", str(SESSIONS),
        "--rate", str(RATE), "--duration", f"{SECONDS}s", "--warm-up", "1s", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


class Files:
    """The configuration of a gateway, which says something else each time."""

    def __init__(self, folder: Path, addresses: list[str]) -> None:
        self._folder = folder
        self._text = (folder / "gateway.toml").read_text()
        self._addresses = addresses

    def change(self, turn: int) -> None:
        """Write another certificate, and other settings of every kind."""
        development_certificate(self._folder)
        which = self._addresses[turn % 2 :] + self._addresses[: turn % 2]
        text = self._text.replace("[upstream]\n", f"[upstream]\nforget_after = {60 + turn}\n")
        text = text.replace('business = ["', f'business = ["{which[0]}", "')
        text += f'\n[routing]\ndefault = "{("business", "hello", "zone")[turn % 3]}"\n'
        text += f"[processor]\ntask_timeout = {20 + turn}\n[session]\nresume_window = {60 + turn}\n"
        (self._folder / "gateway.toml").write_text(text)


async def reload(admin: str, files: Files, took: list[float]) -> None:
    """Reload again and again over the time of the measurement."""
    loop = asyncio.get_running_loop()
    for turn in range(RELOADS):
        await asyncio.sleep(SECONDS / (RELOADS + 1))
        await asyncio.to_thread(files.change, turn)
        began = loop.time()
        status, answer = await asyncio.to_thread(ask_admin, "POST", admin, "/reload", 5.0)
        took.append((loop.time() - began) * 1000)
        if status != 200:
            raise SystemExit(f"refused: {answer}")


def row(parts: Combination, what: str, found: dict[str, Any], took: list[float]) -> str:
    """One line of the table."""
    latency = found["latency_ms"]
    lost = found["unanswered"] + found["violations"] + sum(found["errors"].values())
    times = f"{sorted(took)[len(took) // 2]:.0f} / {max(took):.0f}" if took else ""
    return (
        f"| {parts.name} | {what} | {found['replies']} | {latency['p50']:.1f} / {latency['p99']:.1f} / "
        f"{latency['max']:.1f} | {lost} | {sum(found['closed'].values())} | {times} |"
    )


async def measure(parts: Combination) -> None:
    """Print both lines of a combination."""
    names = ["hello", "business", "zone"]
    services, more = await start_services(names=names, ports=[0] * 3), await start_services(names=names, ports=[0] * 3)
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with gateway(parts, Path(folder), services.addresses, limits=NO_LIMITS, server={"watch": 0}) as (
                addresses,
                _,
            ):
                print(row(parts, "alone", await load(addresses["quic"]), []), flush=True)
                files, took = Files(Path(folder), [services.addresses["business"], more.addresses["business"]]), []
                async with asyncio.TaskGroup() as group:
                    loaded = group.create_task(load(addresses["quic"]))
                    await asyncio.sleep(2)
                    group.create_task(reload(addresses["admin"], files, took))
                print(row(parts, f"{RELOADS} reloads", loaded.result(), took), flush=True)
    finally:
        await asyncio.gather(services.stop(), more.stop())


async def main() -> None:
    """Print the table of docs/operations.md."""
    print(HEADER)
    for parts in (PLAIN, FAST):
        await measure(parts)


if __name__ == "__main__":
    asyncio.run(main())
