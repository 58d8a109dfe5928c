"""Values as they are written on the command line; a bad one is a usage error, a file that cannot be read is not."""

from __future__ import annotations

import inspect
import json
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import typer

from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

Choice = TypeVar("Choice", bound=StrEnum)

FILE_MARK = "@"
LONGEST_DURATION = 3650 * 86_400.0
"""Seconds."""
NARROW = 70
"""Columns of a terminal in which an example and what explains it have no room side by side."""
LONGEST_NAME = 200
"""Characters of a file's name that a message repeats."""


def examples(*lines: str) -> str:
    """Return an epilog for a command's help: each line stays a line."""
    return "\n".join(["Examples:", *(f"  {line}" for line in lines)])


def toml_lines(table: str, **keys: object) -> list[str]:
    """Return lines of a configuration that can be pasted into it."""
    return [f"[{table}]", *(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in keys.items())]


def laid_out(epilog: str, columns: int) -> str:
    """Keep the lines of ``examples``; on a narrow terminal what explains one stands below it."""
    lines = re.sub(r" {4,}", "\n    ", epilog).replace("\n  ", "\n") if columns < NARROW else epilog
    return f"\b\n{lines}"


def help_of(command: Callable[..., None]) -> str:
    """Return a command's docstring with each paragraph on one line, to be wrapped to the terminal's width."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)


def no_answer(nodes: Collection[str], *, so: str) -> str:
    """Name nodes of a cluster that did not answer, and what follows from that, to stand behind what others did."""
    return f"; no answer from {', '.join(nodes)}, {so}" if nodes else ""


def listen_address(value: str | None) -> str | None:
    """Check HOST:PORT of something to listen on; port 0 takes any free one."""
    return None if value is None else _address(value, lowest=0)


def peer_address(value: str) -> str:
    """Check HOST:PORT of something to connect to."""
    return _address(value, lowest=1)


def peer_address_or_none(value: str | None) -> str | None:
    """Check as ``peer_address`` does what need not be given."""
    return None if value is None else peer_address(value)


def _address(value: str, lowest: int) -> str:
    from quicgw_fast.config import split_address

    try:
        _, port = split_address(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if port < lowest:
        raise typer.BadParameter(f"{value!r} has port 0, to which nobody can connect")
    return value


def duration(value: str) -> float:
    """Return seconds above 0 for ``250ms``, ``30s``, ``5m`` or a number."""
    seconds = duration_or_none(value)
    if seconds <= 0:
        raise typer.BadParameter("must be above 0")
    return seconds


def duration_or_none(value: str) -> float:
    """Return seconds as duration() does; 0 is allowed and means no time at all."""
    from quicgw_fast.config import parse_duration

    try:
        seconds = cast("float", parse_duration(str(value)))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if seconds > LONGEST_DURATION:
        raise typer.BadParameter(f"{value[:40]} is longer than 3650d")
    return seconds


def one_of(choices: type[Choice]) -> Callable[[str], Choice]:
    """Make a parser for the values of an enumeration."""

    def parse(value: str) -> Choice:
        try:
            return choices(value)
        except ValueError:
            known = ", ".join(choices)
            raise typer.BadParameter(f"{value[:40]!r} is unknown; choose from {known}") from None

    return parse


def plain(value: str | None) -> str | None:
    """Check that this is text: a command line may hold any bytes."""
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("is not valid UTF-8") from None
    return value


def named(value: str | None) -> str | None:
    """Check that this is a text with something in it."""
    if value == "":
        raise typer.BadParameter("is empty")
    return plain(value)


def openid_meant(kind: str, name: str, kinds: Collection[str]) -> str:
    """Say what KIND:ID was probably meant to be, where either is missing or there is no such kind."""
    meant = name or kind
    return "" if not meant or meant in kinds else f"; did you mean openid:{meant[:LONGEST_NAME]}?"


def pairs(values: Iterable[str], option: str) -> dict[str, str]:
    """Turn every ``KEY=VALUE`` of ``option`` into an entry; the value may be empty and contain ``=``."""
    entries = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{text!r} is not of the form KEY=VALUE", param_hint=option)
        if key in entries:
            raise typer.BadParameter(f"{key!r} is given twice", param_hint=option)
        entries[key] = _utf8(value, option)
    return entries


def content(value: str, option: str) -> bytes:
    """Return TEXT as UTF-8, or what is in the file for ``@FILE`` (``@-`` is standard input, ``@@…`` a text with @).

    Raises StartupError for a file that cannot be read.
    """
    if not value.startswith(FILE_MARK):
        return _utf8(value, option).encode()
    name = value[1:]
    if name.startswith(FILE_MARK):
        return _utf8(name, option).encode()
    if not name:
        raise typer.BadParameter("names no file after the @", param_hint=option)
    from quicgw_fast.carrier import MAX_BODY

    data = read_file(name, option, MAX_BODY + 1)
    if len(data) > MAX_BODY:
        raise StartupError(f"{option}: {_short(name)} is larger than a message may be (1 MiB); send it in parts")
    return data


def file_path(path: Path | None) -> Path | None:
    """Check that this can be the path of a file; the text of one is refused and never printed."""
    from quicgw_fast.config import checked_path

    try:
        checked_path(None if path is None else str(path))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return path


def read_file(name: str, option: str, most: int = -1) -> bytes:
    """Read ``most`` bytes of a file, all for -1; ``-`` is standard input. Raises StartupError, naming ``option``."""
    from quicgw_fast.files import refuse_endless

    try:
        if name != "-":
            refuse_endless(Path(name))
            with Path(name).open("rb") as file:
                return file.read(most)
        if sys.stdin is None:
            raise StartupError(f"{option}: standard input is closed; give the data another way")
        return sys.stdin.buffer.read(most)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        why = error.strerror if isinstance(error, OSError) else error
        raise StartupError(f"{option}: cannot read {_short(name)}: {why}; give the name of a readable file") from None


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME and name.isprintable() else f"{name[:LONGEST_NAME]!r}…"


def _utf8(value: str, option: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("is not valid UTF-8; put it into a file and give @FILE", param_hint=option) from None
    return value
