"""Where settings are written: the file, the environment, the command line. Values are checked later."""

from __future__ import annotations

import codecs
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

from quicgw_fast.config.mistakes import Mistake, did_you_mean, nearest
from quicgw_fast.config.places import DEFAULT, FLAG, Key, SettingPlace, in_file, in_variable
from quicgw_fast.config.positions import positions
from quicgw_fast.config.syntax import broken_toml, encoding_of
from quicgw_fast.config.values import example
from quicgw_fast.errors import ConfigError
from quicgw_fast.files import read_small

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

PREFIX = "QUICGW_"
SEPARATOR = "__"
SURELY = 0.85
"""How alike a variable has to be to one of ours to be meant for it: those of platforms are somewhat alike."""
OTHERS = frozenset({"QUICGW_BACKEND", "QUICGW_FAST", "QUICGW_TOKEN"})
"""Variables of ours that are no settings."""


@dataclass(slots=True)
class Source:
    """Settings of one origin, and what to call the place of each of them."""

    everywhere: SettingPlace
    """The place of all that ``places`` does not name."""
    tables: dict[str, Any] = field(default_factory=dict)
    places: dict[Key, SettingPlace] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    """What cannot even be read."""

    def place(self, key: Key) -> SettingPlace | None:
        """Say where ``key``, or what it is a part of, is written; None when it is not."""
        value: Any = self.tables
        for name in key:
            if not isinstance(value, dict):
                break
            if name not in value:
                return None
            value = value[name]
        written = (self.places[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.places)
        return next(written, self.everywhere)


class Sources:
    """All sources, the strongest last, as one."""

    def __init__(self, *sources: Source) -> None:
        self._sources = sources
        self.tables: dict[str, Any] = {}
        for source in sources:
            _merge(self.tables, source.tables)

    def place(self, key: Key) -> SettingPlace:
        """Say where the value of ``key`` comes from."""
        places = (source.place(key) for source in reversed(self._sources))
        return next((place for place in places if place is not None), DEFAULT)

    def places(self) -> dict[Key, SettingPlace]:
        """Where each key that is written anywhere gets its value from."""
        return {key: self.place(key) for key in _keys(self.tables)}


def _keys(table: Mapping[str, Any], above: Key = ()) -> Iterator[Key]:
    for name, value in table.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _keys(value, (*above, name))


def from_file(path: Path, sections: Mapping[str, type[BaseModel]]) -> Source:
    """Read a TOML file; relative paths in it count from its folder. Raises ConfigError when it cannot be read."""
    try:
        data = read_small(path)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"cannot read the configuration {path}: {why}; give a TOML file, as quicgw genconfig writes one"
        ) from error
    source = Source(in_file(path))
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
        tables = tomllib.loads(text)
        written = positions(text)
    except RecursionError:
        source.mistakes.append(_unreadable(path, "it is nested too deeply"))
    except UnicodeDecodeError as error:
        source.mistakes.append(_unreadable(path, f"it is not UTF-8 {encoding_of(data, error.start)}; save it as UTF-8"))
    except ValueError as error:  # of TOML, and of numbers with thousands of digits
        fault = broken_toml(error, text)
        source.mistakes.append(_unreadable(path, fault.what, fault.line, fault.column))
    else:
        source.tables = tables
        keys = {key: spot for key, spot in written.keys.items() if not any(isinstance(part, int) for part in key)}
        source.places = {key: in_file(path, *spot) for key, spot in keys.items()}  # type: ignore[misc]  # names alone
    for table, key in _path_keys(source.tables, sections):
        if isinstance(table[key], str) and table[key]:
            table[key] = str(path.parent / table[key])
    return source


def _unreadable(path: Path, why: str, line: int | None = None, column: int | None = None) -> Mistake:
    return Mistake(f"this is not valid TOML: {why}", places=(in_file(path, line, column),))


def from_environment(environment: Mapping[str, str], sections: Mapping[str, type[BaseModel]]) -> Source:
    """Read ``QUICGW_SECTION__KEY`` (also ``QUICGW_SECTION`` with a JSON object), whatever the case of the letters.

    A section that does not exist, and lists and tables that are not valid JSON, are mistakes. Variables of other forms
    are none of ours (``stray``).
    """
    source = Source(DEFAULT)
    for variable in sorted(environment, reverse=True):  # of two that differ in case, the capitals win
        section, *rest = _parts(variable)
        value = environment[variable]
        if rest and section:
            if section not in sections:
                source.mistakes.append(_unknown_section(variable, section, rest, sections))
            else:
                levels = _levels(sections[section], SEPARATOR.join(rest))
                _enter(source, (section, *levels), variable, value, sections)
        elif section in sections and value.lstrip().startswith("{"):
            _merge(source.tables, {section: _json(source, variable, value, '{"key": "value"}', {})})
            source.places[(section,)] = in_variable(variable)
    return source


def _unknown_section(variable: str, section: str, rest: list[str], sections: Mapping[str, type[BaseModel]]) -> Mistake:
    meant, _ = did_you_mean(section, sections)
    if meant:
        name = f"{PREFIX}{SEPARATOR.join([meant, *rest])}".upper()
        return Mistake(f"there is no table {section}; did you mean {name}?", (), (in_variable(variable),), name)
    what = f"there is no table {section}; write {PREFIX}SECTION__KEY; known: {', '.join(sections)}"
    return Mistake(what, places=(in_variable(variable),))


def from_flags(flags: Mapping[str, Mapping[str, Any]]) -> Source:
    """Take what the command line gave, as ``{"server": {"quic": "…"}}``."""
    given = {name: dict(table) for name, table in flags.items() if table}
    return Source(FLAG, given)


def stray(environment: Mapping[str, str], sections: Mapping[str, type[BaseModel]]) -> Iterator[tuple[str, str | None]]:
    """Name the variables that begin like ours and are not read, each with the name that may have been meant.

    Platforms set such ones: for a Service called ``quicgw-server`` Kubernetes sets ``QUICGW_SERVER_SERVICE_HOST``.
    """
    for variable in sorted(environment):
        section, *rest = _parts(variable)
        if (rest and section) or not section or variable.upper() in OTHERS:
            continue
        if section in sections and environment[variable].lstrip().startswith("{"):
            continue
        yield variable, _meant(section, sections)


def _meant(written: str, sections: Mapping[str, type[BaseModel]]) -> str | None:
    """Return the variable that one with a single underscore was to be, or one of ours that is no setting."""
    ours = {f"{name}_{key}": (name, key) for name, section in sections.items() for key in section.model_fields}
    near = written if written in ours else nearest(written, ours, alike=SURELY)
    if near:
        return f"{PREFIX}{SEPARATOR.join(ours[near])}".upper()
    meant, _ = did_you_mean(written, (other.removeprefix(PREFIX) for other in OTHERS))
    return f"{PREFIX}{meant}" if meant else None


def _parts(variable: str) -> list[str]:
    upper = variable.upper()
    return upper.removeprefix(PREFIX).lower().split(SEPARATOR) if upper.startswith(PREFIX) else [""]


def _levels(section: type[BaseModel], key: str) -> Key:
    """Split a key: what follows the name of a table in it is a key of that table."""
    name, separator, rest = key.partition(SEPARATOR)
    known = section.model_fields.get(name)
    return (name, rest) if separator and known is not None and get_origin(known.annotation) is dict else (key,)


def _enter(source: Source, key: Key, variable: str, value: str, sections: Mapping[str, type[BaseModel]]) -> None:
    known = sections[key[0]].model_fields.get(key[1])
    entry: Any = value
    if known is not None and len(key) == 2 and get_origin(known.annotation) in (tuple, dict):
        entry = _json(source, variable, value, example(known), None)
        if entry is None:
            return
    for name in reversed(key):
        entry = {name: entry}
    _merge(source.tables, entry)
    source.places[key] = in_variable(variable)


def _json(source: Source, variable: str, value: str, like: str, otherwise: Any) -> Any:
    """Return what is written; ``otherwise``, and the source has a mistake more."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        what = f"this is not valid JSON, as a list or a table must be: write for example {variable}='{like}'"
        source.mistakes.append(Mistake(what, places=(in_variable(variable),)))
        return otherwise


def _path_keys(
    tables: Mapping[str, Any], sections: Mapping[str, type[BaseModel]]
) -> Iterator[tuple[dict[str, Any], str]]:
    for name, section in sections.items():
        table = tables.get(name)
        if isinstance(table, dict):
            for key, known in section.model_fields.items():
                if key in table and is_path(known):
                    yield table, key


def is_path(known: FieldInfo) -> bool:
    """Whether the value of a key is the path of a file."""
    return Path in (known.annotation, *map(_bare, get_args(known.annotation)))


def _bare(annotation: Any) -> Any:
    """Take the type out of ``Annotated``."""
    return annotation.__origin__ if hasattr(annotation, "__metadata__") else annotation


def _merge(into: dict[str, Any], tables: Mapping[str, Any]) -> None:
    """Put ``tables`` over ``into``, key by key at every level."""
    for name, value in tables.items():
        there = into.get(name)
        if isinstance(there, dict) and isinstance(value, dict):
            _merge(there, value)
        elif name in into and isinstance(value, dict):
            continue  # what should be a table and is not one stays, to be refused
        else:
            into[name] = _copied(value)


def _copied(value: Any) -> Any:
    return {name: _copied(inner) for name, inner in value.items()} if isinstance(value, dict) else value
