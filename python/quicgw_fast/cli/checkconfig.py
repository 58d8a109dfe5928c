"""``quicgw checkconfig``: every mistake in a configuration, with its line."""

from __future__ import annotations

import json as json_module
import logging
import math
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.text import file_path
from quicgw_fast.errors import SettingError, StartupError
from quicgw_fast.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quicgw_fast.config.checking import Checked
    from quicgw_fast.config.mistakes import Mistake
    from quicgw_fast.config.models import Config
    from quicgw_fast.config.places import Key, SettingPlace

VERSION = 1
"""Of the object of --json."""


def checkconfig(
    file: Annotated[Path, typer.Argument(metavar="FILE", callback=file_path, help="The TOML file.")],
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Name every mistake in a configuration, each with its line, without starting anything.

    The file is read as quicgw serve would read it here: variables QUICGW_… count, the certificates, keys and tokens
    that it names are read, and the routing table is made. Warnings are about what has no effect or is probably not
    meant. Exit status 0: a gateway could start with it, maybe with warnings. 1: there are mistakes. 3: the file cannot
    be read.
    """
    from quicgw_fast.config.checking import check

    with options.failures_as_json(json):
        checked = check(file)
        if checked.config is not None:
            _try_out(checked.config, checked)
        if json:
            print(json_module.dumps(_report(file, checked)))
        else:
            print("\n".join(_lines(file, checked)))
    raise typer.Exit(Status.NO if checked.mistakes else Status.DONE)


def _try_out(config: Config, checked: Checked) -> None:
    """Have each part of a gateway read what it would need, and add what it finds wrong."""
    from quicgw_fast.config.mistakes import Mistake

    wrong = {key[0] for mistake in checked.mistakes for key in mistake.keys}
    with _log_as_warnings(config, checked):
        for key, step in _steps(config):
            if key[0] in wrong:  # a file that is missing would be missed twice
                continue
            try:
                step()
            except StartupError as error:
                about = error.key if isinstance(error, SettingError) else key
                told = str(error).removesuffix(".").removeprefix(f"{'.'.join(about)}: ")
                checked.mistakes.append(Mistake(told, (about,), (config.place(about),)))


def _steps(config: Config) -> Iterator[tuple[Key, Callable[[], object]]]:
    """What can be tried of a gateway that does not run, each with the key that it is about."""
    from quicgw_fast.auth import make_authenticator
    from quicgw_fast.control import read_access
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload import make_gates
    from quicgw_fast.transport import load_identity
    from quicgw_fast.upstream.directory import Directory
    from quicgw_fast.upstream.routing import make_mode
    from quicgw_fast.upstream.tls import read_upstream_tls

    def services() -> None:
        mode = make_mode(config.routing)
        Directory(mode.services).check(mode.configured(config.upstream))

    yield ("overload", "observe"), lambda: make_gates(config.limits, Metrics(), config.overload)
    yield ("routing", "exact"), services
    yield ("auth", "mode"), lambda: make_authenticator(config.auth)
    yield ("control", "cert"), lambda: read_access(config.control)
    yield ("upstream", "ca"), lambda: read_upstream_tls(config.upstream)
    if config.tls.cert is not None or config.tls.key is not None:
        yield ("tls", "cert" if config.tls.cert else "key"), lambda: load_identity(*config.tls.pair())


@contextmanager
def _log_as_warnings(config: Config, checked: Checked) -> Iterator[None]:
    """Make warnings of what the parts log, such as of a key that everybody may read."""
    from quicgw_fast.config.mistakes import Mistake

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


def _report(file: Path, checked: Checked) -> dict[str, Any]:
    return {
        "version": VERSION,
        "file": str(file),
        "ok": not checked.mistakes,
        "mistakes": [_entry(one) for one in checked.mistakes],
        "warnings": [_entry(one) for one in checked.warnings],
    }


def _entry(one: Mistake) -> dict[str, Any]:
    names = [".".join(key) for key in one.keys]
    return {"key": names[0] if names else None, "keys": names, **_where(one.places[0]), "message": one.what} | (
        {"suggestion": one.meant} if one.meant else {}
    )


def _where(place: SettingPlace) -> dict[str, Any]:
    return {"from": str(place.kind), "place": place.name or None, "line": place.line, "column": place.column}


def _lines(file: Path, checked: Checked) -> Iterator[str]:
    # In the order of the file; behind it warnings that are about no line of it.
    found: list[tuple[float, str, Mistake]] = [(one.places[0].line or 0, "error", one) for one in checked.mistakes]
    found += [(one.places[0].line or math.inf, "warning", one) for one in checked.warnings]
    for _, kind, one in sorted(found, key=itemgetter(0)):
        yield from _told(kind, one, file)
    mistakes, warnings = len(checked.mistakes), len(checked.warnings)
    said = [_counted(mistakes, "mistake")] if mistakes else ["good"]
    said += [_counted(warnings, "warning")] if warnings else []
    yield f"{file}: {', '.join(said)}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


def _told(kind: str, one: Mistake, file: Path) -> Iterator[str]:
    """Where it is, what it is, and the line with a mark under it."""
    place = one.places[0]
    where = place.short if place.column is None else f"{place.short}:{place.column}"
    names = one.names
    others = [f"{name} ({at.short})" for name, at in zip(names[1:], one.places[1:], strict=True)]
    about = " and ".join([*names[:1], *others])
    named = f"{about}: " if about and not one.what.startswith(about) else ""
    yield printable(f"{where}: {kind}: {named}{one.what}", None)
    if place.name == str(file) and place.line is not None and file.is_file():  # a pipe gives its lines once
        yield from _excerpt(file, place.line, place.column or 1, names)


def _excerpt(file: Path, number: int, column: int, names: list[str]) -> Iterator[str]:
    from quicgw_fast.config.values import without_password

    text = file.read_text(encoding="utf-8-sig").replace("\r\n", "\n").split("\n")[number - 1]
    if "-----BEGIN" in text or len(text) > _WIDEST or not text.isprintable():
        return  # nothing to see, or something that nobody should
    last = names[0].rpartition(".")[2] if names else ""
    marks = len(last) if last and text.startswith(last, column - 1) else 1
    yield f"  {number} | {without_password(text)}"
    yield f"  {' ' * len(str(number))} | {' ' * (column - 1)}{'^' * marks}"


_WIDEST = 160
"""Characters of a line that is shown."""
