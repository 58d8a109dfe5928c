"""``quicgw checkconfig``: every mistake in a configuration, with its line."""

from __future__ import annotations

import json as json_module
import math
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.tables import counted
from quicgw_fast.cli.text import file_path
from quicgw_fast.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.config.checking import Checked
    from quicgw_fast.config.mistakes import Mistake
    from quicgw_fast.config.places import SettingPlace

VERSION = 1
"""Of the object of --json."""


def checkconfig(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", callback=file_path, help="The TOML file.")] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", metavar="FILE", callback=file_path, help="The same, as other commands name it."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Name every mistake in a configuration, each with its line, without starting anything.

    The file is read as quicgw serve would read it here: variables QUICGW_… count, the certificates, keys and tokens
    that it names are read, and the routing table is made. Warnings are about what has no effect or is probably not
    meant. Exit status 0: a gateway could start with it, maybe with warnings. 1: there are mistakes. 3: the file cannot
    be read.
    """
    from quicgw_fast.cli.trying import tried

    given = [one for one in (file, config) if one is not None]
    if len(given) != 1:
        raise typer.BadParameter("give the file" if not given else "give one file", param_hint="FILE")
    (file,) = given
    with options.failures_as_json(json):
        checked = tried(file)
        if json:
            print(json_module.dumps(_report(file, checked)))
        else:
            print("\n".join(_lines(file, checked)))
    raise typer.Exit(Status.NO if checked.mistakes else Status.DONE)


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
    said = [counted(mistakes, "mistake")] if mistakes else ["good"]
    said += [counted(warnings, "warning")] if warnings else []
    yield f"{file}: {', '.join(said)}"


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
