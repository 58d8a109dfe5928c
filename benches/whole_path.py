"""The whole path, measured: real QUIC clients, a gateway process of its own, real gRPC services.

Clients, services and gateway have a process each: the gateway's CPU time is read from the operating system, so that
what clients and services use does not count. Each backend runs in turn, several rounds, on the same machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import quicgw_fast
from benches.services import services
from quicgw_fast.transport.certificates import development_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CLIENTS, OUTSTANDING, SECONDS, ROUNDS = 50, 2, 3.0, 3
BODY = b"x" * 128
OUT = Path(__file__).parent / "out"


@dataclass(frozen=True)
class Figures:
    """One round: ``rate`` in requests per second, ``cpu`` in µs of gateway CPU per request, latencies in ms."""

    backend: str
    requests: int
    rate: float
    cpu: float
    p50: float
    p99: float


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def gateway(
    backend: str, folder: Path, upstreams: dict[str, str], *, python: str = sys.executable, **more: dict[str, Any]
) -> AsyncIterator[tuple[dict[str, str], int]]:
    """Run ``quicgw serve`` in ``folder`` and give its addresses (quic, grpc, admin) and process id.

    ``python`` is the interpreter whose ``quicgw_fast`` runs, ``more`` is more of the
    configuration, table by table.
    """
    certificate, key = development_certificate(folder)
    tables: dict[str, dict[str, Any]] = {
        "server": {"quic": "127.0.0.1:0", "grpc": "127.0.0.1:0", "admin": "127.0.0.1:0"},
        "tls": {"cert": str(certificate), "key": str(key)},
        "upstream": {name: [address] for name, address in upstreams.items()},
        "limits": {"messages_per_second": 1e6, "message_burst": 1_000_000},
        "log": {"level": "error"},
    }
    tables |= {name: {**tables.get(name, {}), **section} for name, section in more.items()}
    # JSON strings, numbers and lists are TOML as well.
    lines = [
        f"[{name}]\n" + "\n".join(f"{k} = {json.dumps(v)}" for k, v in keys.items()) for name, keys in tables.items()
    ]
    config = folder / "gateway.toml"
    config.write_text("\n".join(lines))
    environment = {**os.environ, "QUICGW_BACKEND": backend}
    if python != sys.executable:
        environment.pop("PYTHONPATH", None)  # which would bring this build's package to the other one
    process = await asyncio.create_subprocess_exec(
        python, "-m", "quicgw_fast", "serve", "--config", str(config),
        cwd=folder, stdout=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        ready = (await process.stdout.readline()).decode().split()
        addresses = dict(field.split("=", 1) for field in ready[1:])
        yield addresses, process.pid
    finally:
        process.terminate()
        await process.wait()


async def one_client(address: str, number: int, until: float, latencies: list[float]) -> None:
    """Keep ``OUTSTANDING`` echo calls under way until the time is over."""
    async with quicgw_fast.connect(address, openid=f"bench-{number}", insecure=True) as client:

        async def lane() -> None:
            while (begin := time.perf_counter()) < until:
                await client.call("echo", data=BODY)
                latencies.append(time.perf_counter() - begin)

        await asyncio.gather(*(lane() for _ in range(OUTSTANDING)))


async def measure(backend: str, upstreams: dict[str, str]) -> Figures:
    """Run one round with one backend."""
    with tempfile.TemporaryDirectory() as folder:
        async with gateway(backend, Path(folder), upstreams) as (addresses, pid):
            address = addresses["quic"]
            latencies: list[float] = []
            begin, used = time.perf_counter(), cpu_seconds(pid)
            await asyncio.gather(*(one_client(address, i, begin + SECONDS, latencies) for i in range(CLIENTS)))
            elapsed, used = time.perf_counter() - begin, cpu_seconds(pid) - used
    cuts = statistics.quantiles(latencies, n=100)
    count = len(latencies)
    return Figures(backend, count, count / elapsed, used / count * 1e6, cuts[49] * 1e3, cuts[98] * 1e3)


async def run() -> list[Figures]:
    """Measure both backends in turn, several rounds."""
    async with services() as upstreams:
        return [await measure(backend, upstreams) for _ in range(ROUNDS) for backend in ("rust", "python")]


def main() -> None:
    """Print the median of each backend and the ratios, and keep every round in ``benches/out``."""
    rounds = asyncio.run(run())
    OUT.mkdir(exist_ok=True)
    (OUT / "whole_path.json").write_text(json.dumps([asdict(figures) for figures in rounds], indent=1))
    print(f"\nWhole path: {CLIENTS} clients, {OUTSTANDING} echoes of {len(BODY)} bytes outstanding each")
    print(f"Medians of {ROUNDS} rounds of {SECONDS:g} s")
    print("(the clients are of Python: they, not the gateway, may set the rate)")
    print(f"{'backend':<10}{'requests/s':>12}{'gateway us/req':>16}{'p50 ms':>10}{'p99 ms':>10}")
    medians: dict[str, float] = {}
    for backend in ("rust", "python"):
        mine = [figures for figures in rounds if figures.backend == backend]
        row = [statistics.median(getattr(f, name) for f in mine) for name in ("rate", "cpu", "p50", "p99")]
        medians[backend] = row[1]
        print(f"{backend:<10}{row[0]:>12.0f}{row[1]:>16.0f}{row[2]:>10.2f}{row[3]:>10.2f}")
    print(f"gateway CPU per request, python / rust: {medians['python'] / medians['rust']:.2f}")


if __name__ == "__main__":
    main()
