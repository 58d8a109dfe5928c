"""A configuration tried out as a start would, without starting anything: what checkconfig and doctor find in it."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.auth import make_authenticator
from quicgw_fast.config.checking import check
from quicgw_fast.config.mistakes import Mistake
from quicgw_fast.control import read_access
from quicgw_fast.errors import SettingError, StartupError
from quicgw_fast.joining import try_joining
from quicgw_fast.observe import Metrics
from quicgw_fast.overload import make_gates
from quicgw_fast.transport import load_identity, read_scheme
from quicgw_fast.upstream.directory import Directory
from quicgw_fast.upstream.routing import MODES, make_mode
from quicgw_fast.upstream.tls import read_upstream_tls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from quicgw_fast.config.checking import Checked
    from quicgw_fast.config.models import Config
    from quicgw_fast.config.places import Key


def tried(path: Path | None) -> Checked:
    """Read it, and have each part of a gateway read what it would need: every mistake and every warning.

    Without a ``path`` the defaults and the environment are looked at. Raises ConfigError when it cannot be read.
    """
    checked = check(path)
    if checked.config is not None:
        _try_out(checked.config, checked)
    return checked


def _try_out(config: Config, checked: Checked) -> None:
    wrong = {key[0] for mistake in checked.mistakes for key in mistake.keys}
    with _log_as_warnings(config, checked):
        for key, step in _steps(config):
            if key[0] in wrong:  # a file that is missing would be missed twice
                continue
            try:
                step()
            except SettingError as error:
                checked.mistakes.extend(_mistake(config, one.key, one) for one in error.each)
            except StartupError as error:
                checked.mistakes.append(_mistake(config, key, error))


def _mistake(config: Config, key: Key, error: StartupError) -> Mistake:
    told = str(error).removesuffix(".").removeprefix(f"{'.'.join(key)}: ")
    return Mistake(told, (key,), (config.place(key),))


def _steps(config: Config) -> Iterator[tuple[Key, Callable[[], object]]]:
    """What can be tried of a gateway that does not run, each with the key that it is about."""
    yield ("overload", "observe"), lambda: make_gates(config.limits, Metrics(), config.overload)
    yield ("routing", "exact"), lambda: make_mode(config.routing)
    mode = MODES[config.routing.mode]
    for service, addresses in mode.configured(config.upstream).items():
        yield ("upstream", service), partial(Directory(mode.services).check, {service: addresses})
    yield ("auth", "mode"), lambda: make_authenticator(config.auth)
    yield ("control", "cert"), lambda: read_access(config.control)
    yield ("upstream", "ca"), lambda: read_upstream_tls(config.upstream)
    yield ("cluster", "url"), lambda: try_joining(config.cluster)
    yield ("quic_lb", "key_file"), lambda: read_scheme(config)
    if config.tls.cert is not None or config.tls.key is not None:
        yield ("tls", "cert" if config.tls.cert else "key"), lambda: load_identity(*config.tls.pair())


@contextmanager
def _log_as_warnings(config: Config, checked: Checked) -> Iterator[None]:
    """Make warnings of what the parts log, such as of a key that everybody may read."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            fields = {name: str(value) for name, value in vars(record).items() if name not in _USUAL}
            table, _, key = fields.pop("setting", "").partition(".")
            told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in fields.items())
            about = ((table, key),) if key else ()
            checked.warnings.append(Mistake(f"{record.getMessage()}: {told}", about, (config.place((table, key)),)))

    collector, logger = Collector(logging.WARNING), logging.getLogger("quicgw")
    passed_on, logger.propagate = logger.propagate, False
    logger.addHandler(collector)
    try:
        yield
    finally:
        logger.removeHandler(collector)
        logger.propagate = passed_on


_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message"}
