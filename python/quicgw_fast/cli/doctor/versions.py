"""Whether what runs is what was tested: the packages, Python, the compiled parts."""

from __future__ import annotations

import platform
import re
import sys
from importlib import metadata, util
from typing import TYPE_CHECKING

from quicgw_fast.cli.doctor.result import CheckResult, fine, problem, warning
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quicgw_fast.config import Config

PACKAGES, PARTS = "packages", "parts"
DISTRIBUTION = "quicgw-fast"
EXTRA = "server"
"""The extra that a gateway needs."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_BOUND = re.compile(r"(>=|<)\s*([0-9][0-9.]*)")
_RELEASE = re.compile(r"\d+(?:\.\d+)*")


def packages(required: Iterable[str] | None = None) -> Iterator[CheckResult]:
    """Compare the installed packages with the ranges that were tested; ``required`` as the package declares them."""
    wanted = list(_declared() if required is None else required)
    count = 0
    for requirement in wanted:
        found = _NAME.match(requirement)
        assert found is not None
        name, count = found[0], count + 1
        quoted = f"pip install '{requirement.partition(';')[0].strip()}'"
        try:
            there = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield problem(PACKAGES, f"{name} is not installed", quoted)
            continue
        if not _within(there, requirement.partition(";")[0]):
            yield warning(PACKAGES, f"{name} {there} is outside of the range that was tested", quoted)
    if not wanted:
        told = "the package was never installed, so its ranges are not known"
        yield warning(PACKAGES, told, "pip install 'quicgw-fast[server]'")
    else:
        yield fine(PACKAGES, f"{count} looked at, beside Python {platform.python_version()}")


def _declared() -> Iterator[str]:
    """What the package needs here, as a gateway."""
    try:
        every = metadata.requires(DISTRIBUTION) or ()
    except metadata.PackageNotFoundError:
        return
    for requirement in every:
        _, _, marker = requirement.partition(";")
        if "win32" in marker and sys.platform == "win32":
            continue
        if "extra" not in marker or re.search(rf"extra\s*==\s*['\"]{EXTRA}['\"]", marker):
            yield requirement


def _within(version: str, requirement: str) -> bool:
    release = _release(version)
    for sign, bound in _BOUND.findall(requirement):
        other = _release(bound)
        if (release < other) if sign == ">=" else (release >= other):
            return False
    return True


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a release; what is behind them, as in 1.0rc1, counts for nothing."""
    found = _RELEASE.match(version)
    parts = [int(part) for part in found[0].split(".")] if found else [0]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def parts(config: Config) -> Iterator[CheckResult]:
    """Import the engine, the transport and the upstream client that would run."""
    from quicgw_fast.cli.preflight import require_upb
    from quicgw_fast.transport import makers as transports
    from quicgw_fast.upstream import makers as upstreams

    built = "pip install quicgw-fast, which brings it compiled, or build it: maturin develop --release"
    try:
        from quicgw_fast import backend

        transports.load(config.server.transport)
        upstreams.load(config.upstream.client)
        require_upb()
    except StartupError as error:
        yield problem(PARTS, str(error), built)
        return
    told = f"engine {backend.NAME}, transport {config.server.transport}, upstream client {config.upstream.client}"
    if backend.NAME == "rust":
        yield fine(PARTS, told)
    else:
        yield warning(PARTS, f"{told}: the engine is the plain one, which is slower", f"{built}; unset QUICGW_BACKEND")
    if util.find_spec("uvloop") is None and sys.platform != "win32":
        yield warning(PARTS, "uvloop is not installed: the event loop is slower", "pip install uvloop")
