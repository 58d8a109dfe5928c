"""All checks, in the order in which they are told."""

from __future__ import annotations

import datetime
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from quicgw_fast import config as configs
from quicgw_fast.cli.doctor.buffers import udp_buffers
from quicgw_fast.cli.doctor.certificates import certificates
from quicgw_fast.cli.doctor.clocks import clock
from quicgw_fast.cli.doctor.directories import directory
from quicgw_fast.cli.doctor.ports import ports
from quicgw_fast.cli.doctor.resources import memory, open_files
from quicgw_fast.cli.doctor.result import CheckResult, fine, refused, warning
from quicgw_fast.cli.doctor.secrets import access, login, offline_store
from quicgw_fast.cli.doctor.upstreams import upstreams
from quicgw_fast.cli.doctor.versions import packages, parts
from quicgw_fast.cli.trying import tried
from quicgw_fast.config.checking import Checked
from quicgw_fast.errors import ConfigError
from quicgw_fast.machine import ProcessMemory
from quicgw_fast.transport import TransportLimits

if TYPE_CHECKING:
    from collections.abc import Iterator


def all_findings(path: Path | None) -> Iterator[CheckResult]:
    """Look at everything, by the configuration in ``path``, or by the defaults where that cannot be read."""
    logging.getLogger("quicgw").addHandler(logging.NullHandler())  # what checks log, they find, too
    try:
        checked = tried(path)
    except ConfigError as error:
        checked = Checked(None, [], [])
        yield refused("configuration", error)
    yield from _configuration(checked, "the defaults and QUICGW_… variables" if path is None else str(path))
    wanted = checked.config
    yield from packages()
    yield from parts(wanted or configs.Config())
    yield from udp_buffers(TransportLimits().socket_buffer)
    yield from clock(Path(configs.__file__).stat().st_mtime)
    if wanted is None:  # what follows would be about something that nobody wants
        return
    yield from open_files(wanted, _hard_limit_of_files())
    yield from memory(wanted, ProcessMemory().allowed(), _memory_of_the_machine())
    written, now = path is not None, datetime.datetime.now(datetime.UTC)
    wrong = {key[0] for mistake in checked.mistakes for key in mistake.keys}
    for tables, findings in (
        ({"tls", "control"}, certificates(wanted, written=written, now=now)),
        ({"control"}, access(wanted)),
        ({"auth"}, login(wanted)),
        ({"offline"}, offline_store(wanted)),
        ({"cluster"}, directory(wanted)),
        ({"server", "cluster"}, ports(wanted)),
        ({"routing", "upstream"}, upstreams(wanted)),
    ):
        if not tables & wrong:  # of which a mistake was told already
            yield from findings


def _configuration(checked: Checked, where: str) -> Iterator[CheckResult]:
    """What checkconfig says of it; the files that it can read are looked at further on."""
    for mistake in checked.mistakes:
        yield refused("configuration", mistake.told)
    if checked.config is None:
        return
    if not checked.mistakes:
        yield fine("configuration", f"{where} can be used")
    for told in configs.advice(checked.config):
        yield warning("configuration", told, "")


def _hard_limit_of_files() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def _memory_of_the_machine() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):  # it does not tell
        return None
