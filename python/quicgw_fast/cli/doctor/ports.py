"""The ports of a gateway: free, taken by the configuration's gateway, which runs already, or by somebody else."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

from quicgw_fast.cli.doctor.holders import holder
from quicgw_fast.cli.doctor.result import CheckResult, fine, problem, warning
from quicgw_fast.cli.doctor.running import running
from quicgw_fast.config import split_address
from quicgw_fast.control.listen import bind_tcp
from quicgw_fast.errors import StartupError
from quicgw_fast.transport.sockets import listening_socket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.config import Config

CHECK = "ports"


def ports(config: Config) -> Iterator[CheckResult]:
    """Take each port for a moment, as a start does."""
    server, other = config.server, running(config)
    wanted = {"server.quic": server.quic, "server.grpc": server.grpc, "server.admin": server.admin}
    if config.cluster.url is not None:
        wanted["cluster.listen"] = config.cluster.listen
    for key, address in wanted.items():
        kind = "udp" if key == "server.quic" else "tcp"
        try:
            _take(key, address)
        except StartupError as error:
            yield _taken(key, address, kind, error, other)
        else:
            yield fine(CHECK, f"{key} {address} ({kind.upper()}) is free")


def _take(key: str, address: str) -> None:
    host, port = split_address(address)
    if key == "server.quic":
        asyncio.run(listening_socket(host, port)).close()
    else:
        bind_tcp(host, port, key, f"set {key}").close()


def _taken(key: str, address: str, kind: str, error: StartupError, other: str | None) -> CheckResult:
    cause = error.__cause__
    if not isinstance(cause, OSError) or cause.errno != errno.EADDRINUSE:
        found, _, remedy = str(error).rpartition(": ")
        return problem(CHECK, f"{key}: {found}", remedy)
    who = holder(kind, split_address(address)[1])
    named = "" if who is None else f" ({who})"
    if other is not None and (who is None or who.is_ours):
        if not other:
            return fine(CHECK, f"{key} {address} ({kind.upper()}) has this gateway, which runs{named}")
        told = f"{key} {address} ({kind.upper()}) has a gateway that runs{named}, which may be another: {other}"
        return warning(CHECK, told, f"quicgw serve will not start while it runs: stop it, or set {key} to another port")
    told = f"{key} {address} ({kind.upper()}) is taken by {who or 'a process of somebody else'}"
    find = f"kill {who.pid}" if who is not None else f"sudo ss -lpn sport = :{split_address(address)[1]} names it"
    return problem(CHECK, told, f"stop it ({find}), or set {key} to another port")
