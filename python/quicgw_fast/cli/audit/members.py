"""What goes into the archive of ``quicgw audit``, piece by piece, and why a piece is not there."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from quicgw_fast.errors import StartupError
from quicgw_fast.files import refuse_endless

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.cli.asking import AdminPages
    from quicgw_fast.cli.audit.redaction import Redaction
    from quicgw_fast.config import Config

PAGES: Final = {
    "stats.json": "/stats",
    "performance.json": "/performance",
    "latency.json": "/latency",
    "overload.json": "/overload",
    "upstreams.json": "/upstreams",
    "running-config.json": "/config",
    "metrics.txt": "/metrics",
    "readyz.txt": "/readyz",
}
LOG_TAIL: Final = 1 << 20
"""Bytes of the end of a log."""
MOST_LISTED: Final = 2000
"""Sessions of which the latest are chosen."""


@dataclass
class Members:
    """The archive in the making: every text is cleaned before it is kept."""

    redaction: Redaction
    files: dict[str, bytes] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Why a piece is not there."""

    def add(self, name: str, make: Callable[[], object]) -> None:
        """Keep what ``make`` returns, a text or what can be JSON; or why it could not."""
        try:
            made = make()
        except StartupError as error:
            self.missing[name] = self.redaction.clean(str(error))
            return
        except OSError as error:
            self.missing[name] = self.redaction.clean(f"{error.filename}: {error.strerror or error}")
            return
        text = made if isinstance(made, str) else json.dumps(made, indent=1, default=str) + "\n"
        self.files[name] = self.redaction.clean(text).encode()


def add_pages(members: Members, pages: AdminPages, step: Callable[[], None]) -> None:
    """Everything that the gateway tells of itself; ``step`` is called for each page."""
    for name, path in PAGES.items():
        members.add(name, lambda path=path: _page(pages, path))  # type: ignore[misc]
        step()


def _page(pages: AdminPages, path: str) -> str:
    status, said = pages.text(path)
    if status == 404:
        raise StartupError(f"the gateway has no page {path}: it is older than this command")
    return said


def add_sessions(members: Members, pages: AdminPages, count: int, step: Callable[[], None]) -> None:
    """The list, and the flight recorders of ``count`` whose clients sent something last; ``step`` after each."""
    from quicgw_fast.cli.sessions import find

    listed: dict[str, Any] = {"sessions": []}

    def show() -> dict[str, Any]:
        listed.update(find(pages, {}, MOST_LISTED))
        return {"version": 1, **listed}

    members.add("sessions.json", show)
    latest = sorted(listed["sessions"], key=lambda one: float(one["last_activity"]), reverse=True)
    for session in latest[:count]:
        name = session["id"]
        members.add(f"sessions/{name}.json", lambda name=name: pages.get(f"/sessions/{name}"))  # type: ignore[misc]
        step()


def add_own(members: Members, path: Path | None, config: Config) -> None:
    """What this machine tells without a gateway."""
    from quicgw_fast.cli.doctor.rounds import all_findings
    from quicgw_fast.config import effective_report

    members.add("config.json", lambda: effective_report(config))
    members.add("doctor.json", lambda: {"version": 1, "checks": [asdict(result) for result in all_findings(path)]})
    members.add("versions.json", _versions)


def _versions() -> dict[str, Any]:
    from quicgw_fast.cli.version import version_line

    packages = sorted({(one.metadata["Name"], one.version) for one in metadata.distributions()})
    return {
        "version": 1,
        "quicgw": version_line(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": dict(packages),
    }


def add_log(members: Members, log: Path | None, admin: str) -> None:
    """The end of the log: of a file that was named, or of the one that the gateway's standard error is."""
    found = log or _log_of_the_gateway(admin)
    if found is None:
        members.missing["log.txt"] = "the gateway's log goes to no file of this machine; --log FILE names one"
    else:
        members.add("log.txt", lambda: _tail(found))


def _log_of_the_gateway(admin: str) -> Path | None:
    from quicgw_fast.cli.doctor.holders import holder
    from quicgw_fast.config import split_address

    who = holder("tcp", split_address(admin)[1])
    if who is None or not who.is_ours:
        return None
    errors = Path(f"/proc/{who.pid}/fd/2")
    return errors if errors.is_file() else None  # also where that file is deleted; not of another user's process


def _tail(path: Path) -> str:
    refuse_endless(path)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - LOG_TAIL))
        text = file.read(LOG_TAIL).decode(errors="replace")
    return text.partition("\n")[2] if size > LOG_TAIL else text
