"""Gateways that are measured: a process each, in all combinations of compiled and plain parts."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benches.compiled import ROOT
from quicgw_fast.transport.certificates import development_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

_QUINN = {"server": {"transport": "quinn"}}
_NATIVE = {"upstream": {"client": "native"}}
NO_LIMITS = {
    "in_flight": 100_000,
    "handshakes_per_second": 1e5,
    "max_half_open": 10_000,
    "retry_above": 9_000,
}
"""Of ``[limits]``, for loads: all clients come from one address, and each asks for as much as it can."""


@dataclass(frozen=True)
class Combination:
    """Which makers a gateway runs with; ``tables`` are of its configuration."""

    name: str
    backend: str = "rust"
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


PLAIN = Combination("plain ends, rust engine")
PYTHON = Combination("plain ends, python engine", "python")
QUINN = Combination("quinn, grpcio", tables=_QUINN)
NATIVE = Combination("aioquic, native", tables=_NATIVE)
FAST = Combination("quinn, native", tables={**_QUINN, **_NATIVE})
COMBINATIONS = (PLAIN, PYTHON, QUINN, NATIVE, FAST)


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used so far, with that of threads that have ended."""
    # How clock_getcpuclockid(3) makes the number of that clock; it counts nanoseconds, where /proc counts 10 ms.
    return time.clock_gettime(~pid << 3 | 2)


@asynccontextmanager
async def gateway(
    combination: Combination,
    folder: Path,
    upstreams: Mapping[str, str],
    *,
    python: str = sys.executable,
    module: str = "quicgw_fast",
    **more: Mapping[str, Any],
) -> AsyncIterator[tuple[dict[str, str], int]]:
    """Run ``quicgw serve`` in ``folder`` and give its addresses (quic, grpc, admin) and process id.

    ``python`` is the interpreter whose ``quicgw_fast`` runs, ``module`` what it runs, ``more`` is more of the
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
    for source in (combination.tables, more):
        for name, table in source.items():
            tables.setdefault(name, {}).update(table)
    # JSON strings, numbers and lists are TOML as well.
    lines = [
        f"[{name}]\n" + "\n".join(f"{k} = {json.dumps(v)}" for k, v in keys.items()) for name, keys in tables.items()
    ]
    config = folder / "gateway.toml"
    config.write_text("\n".join(lines))
    environment = {**os.environ, "QUICGW_BACKEND": combination.backend, "PYTHONPATH": str(ROOT)}
    if python != sys.executable:
        del environment["PYTHONPATH"]  # which would bring this build's package to the other one
    process = await asyncio.create_subprocess_exec(
        python, "-m", module, "serve", "--config", str(config),
        cwd=folder, stdout=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        ready = (await process.stdout.readline()).decode().split()
        if not ready:
            raise SystemExit(f"{combination.name}: the gateway did not start")
        addresses = dict(field.split("=", 1) for field in ready[1:])
        yield addresses, process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
