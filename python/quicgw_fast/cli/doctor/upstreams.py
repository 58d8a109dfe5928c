"""The services: whether each of the configured addresses has one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.cli.doctor.result import CheckResult, fine, problem, refused, warning
from quicgw_fast.errors import SettingError
from quicgw_fast.upstream import causes
from quicgw_fast.upstream.causes import NO_SERVICE
from quicgw_fast.upstream.grpcio.probe import ask_status
from quicgw_fast.upstream.routing import MODES
from quicgw_fast.upstream.tls import read_upstream_tls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.config import Config
    from quicgw_fast.upstream.grpcio.probe import ServiceSeen
    from quicgw_fast.upstream.tls import UpstreamTls

CHECK = "upstreams"
TIMEOUT = 3.0
"""Seconds for all of them together."""
_OF_TLS = (
    *(causes.NO_TLS, causes.NOT_TRUSTED, causes.OTHER_NAME, causes.EXPIRED, causes.NOT_YET_VALID),
    *(causes.REFUSED_TLS, causes.BAD_TLS),
)


def upstreams(config: Config, *, timeout: float = TIMEOUT) -> Iterator[CheckResult]:
    """Call GetStatus of each."""
    configured = MODES[config.routing.mode].configured(config.upstream)
    asked = [(service, address) for service, addresses in configured.items() for address in addresses]
    if not asked:
        told = "none is configured: logins are answered when services register (RegisterUpstream)"
        yield fine(CHECK, told)
        return
    try:
        tls = read_upstream_tls(config.upstream)
    except SettingError as error:
        yield refused(CHECK, error)
        return
    spared = {MODES[config.routing.mode].login_service} if config.auth.login == "token" else set()
    missing = [service for service, addresses in configured.items() if not addresses and service not in spared]
    for (service, address), seen in zip(asked, asyncio.run(_ask(asked, tls, timeout)), strict=True):
        yield _found(service, address, seen)
    if missing:
        keys = ", ".join(f"upstream.{service}" for service in missing)
        told = f"no address of {', '.join(missing)}: requests for it are answered 503 until one registers"
        yield warning(CHECK, told, f"set {keys}")


async def _ask(asked: list[tuple[str, str]], tls: UpstreamTls | None, timeout: float) -> list[ServiceSeen]:
    return await asyncio.gather(*(ask_status(address, service, tls, timeout) for service, address in asked))


def _found(service: str, address: str, seen: ServiceSeen) -> CheckResult:
    where = f"{service} at {address}"
    if not seen.reached:
        if seen.said in _OF_TLS:
            return problem(CHECK, f"{where}: {seen.said}", "look at upstream.ca, .server_name, .cert and .key")
        return problem(CHECK, f"{where}: {seen.said}", f"start the service there, or change upstream.{service}")
    if seen.said == NO_SERVICE:
        told = f"{where}: it speaks gRPC, but does not answer GetStatus"
        return warning(CHECK, told, "is it an UpstreamService (proto/service.proto)? See docs/services.md")
    return fine(CHECK, f"{where}: {seen.said}")
