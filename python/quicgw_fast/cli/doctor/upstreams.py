"""The services: whether each of the configured addresses has one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.cli.doctor.result import CheckResult, fine, problem, warning
from quicgw_fast.upstream.causes import NO_SERVICE
from quicgw_fast.upstream.grpcio.probe import ask_status
from quicgw_fast.upstream.routing import MODES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.config import Config
    from quicgw_fast.upstream.grpcio.probe import ServiceSeen

CHECK = "upstreams"
TIMEOUT = 3.0
"""Seconds for all of them together."""


def upstreams(config: Config, *, timeout: float = TIMEOUT) -> Iterator[CheckResult]:
    """Call GetStatus of each."""
    configured = MODES[config.routing.mode].configured(config.upstream)
    asked = [(service, address) for service, addresses in configured.items() for address in addresses]
    if not asked:
        told = "none is configured: logins are answered when services register (RegisterUpstream)"
        yield fine(CHECK, told)
        return
    missing = [service for service, addresses in configured.items() if not addresses]
    for (service, address), seen in zip(asked, asyncio.run(_ask(asked, timeout)), strict=True):
        yield _found(service, address, seen)
    if missing:
        keys = ", ".join(f"upstream.{service}" for service in missing)
        told = f"no address of {', '.join(missing)}: requests for it are answered 503 until one registers"
        yield warning(CHECK, told, f"set {keys}")


async def _ask(asked: list[tuple[str, str]], timeout: float) -> list[ServiceSeen]:
    return await asyncio.gather(*(ask_status(address, service, timeout) for service, address in asked))


def _found(service: str, address: str, seen: ServiceSeen) -> CheckResult:
    where = f"{service} at {address}"
    if not seen.reached:
        return problem(CHECK, f"{where}: {seen.said}", f"start the service there, or change upstream.{service}")
    if seen.said == NO_SERVICE:
        told = f"{where}: it speaks gRPC, but does not answer GetStatus"
        return warning(CHECK, told, "is it an UpstreamService (proto/service.proto)? See docs/services.md")
    return fine(CHECK, f"{where}: {seen.said}")
