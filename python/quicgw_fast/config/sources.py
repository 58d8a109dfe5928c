"""Where settings are written: the file, the environment, the command line. Values are checked later."""

from __future__ import annotations

import codecs
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

from quicgw_fast.config.values import example
from quicgw_fast.errors import ConfigError
from quicgw_fast.files import read_small

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

PREFIX = "QUICGW_"
SEPARATOR = "__"

Key = tuple[str, ...]
"""Names from the outside in: ``("session", "timeout")`` is ``session.timeout``."""


@dataclass(slots=True)
class Source:
    """Settings of one origin, and what to call the place of each of them."""

    tables: dict[str, Any] = field(default_factory=dict)
    places: dict[Key, str] = field(default_factory=dict)
    """Where single keys are written; ``everywhere`` stands for the others."""
    everywhere: str = ""

    def place(self, key: Key) -> str | None:
        """Say where ``key``, or what it is a part of, is written; None when it is not."""
        value: Any = self.tables
        for name in key:
            if not isinstance(value, dict):
                break
            if name not in value:
                return None
            value = value[name]
        written = (self.places[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.places)
        return next(written, self.everywhere or None)


class Sources:
    """All sources, the strongest last, as one."""

    def __init__(self, *sources: Source) -> None:
        self._sources = sources
        self.tables: dict[str, Any] = {}
        for source in sources:
            _merge(self.tables, source.tables)

    def place(self, key: Key) -> str:
        """Say where the value of ``key`` comes from."""
        places = (source.place(key) for source in reversed(self._sources))
        return next((place for place in places if place is not None), "the default")


def from_file(path: Path, sections: Mapping[str, type[BaseModel]]) -> Source:
    """Read a TOML file; relative paths in it count from its folder. Raises ConfigError."""
    try:
        data = read_small(path)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"cannot read the configuration {path}: {why}; check --config") from error
    try:
        tables = tomllib.loads(data.removeprefix(codecs.BOM_UTF8).decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: not UTF-8 from byte {error.start}; save it as UTF-8") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is not valid TOML for this: it is nested too deeply; correct it") from error
    except ValueError as error:  # of TOML, of UTF-8, and of numbers with thousands of digits
        raise ConfigError(f"{path} is not valid TOML: {error}; correct that line") from error
    for table, key in _path_keys(tables, sections):
        if isinstance(table[key], str) and table[key]:
            table[key] = str(path.parent / table[key])
    return Source(tables, everywhere=f"in {path}")


def from_environment(environment: Mapping[str, str], sections: Mapping[str, type[BaseModel]]) -> Source:
    """Read ``QUICGW_SECTION__KEY`` (also ``QUICGW_SECTION`` with a JSON object), whatever the case of the letters.

    Raises ConfigError for a section that does not exist, and for lists and tables that are not valid JSON. Variables of
    other forms are none of ours (``stray``).
    """
    source = Source()
    for variable in sorted(environment, reverse=True):  # of two that differ in case, the capitals win
        section, *rest = _parts(variable)
        value = environment[variable]
        if rest and section:
            if section not in sections:
                raise ConfigError(
                    f"the environment variable {variable} names an unknown section; write {PREFIX}SECTION__KEY; "
                    f"known: {', '.join(sections)}"
                )
            _enter(source, (section, *_levels(sections[section], SEPARATOR.join(rest))), variable, value, sections)
        elif section in sections and value.lstrip().startswith("{"):
            _merge(source.tables, {section: _json(variable, value, '{"key": "value"}')})
            source.places[(section,)] = f"in the variable {variable}"
    return source


def from_flags(flags: Mapping[str, Mapping[str, Any]]) -> Source:
    """Take what the command line gave, as ``{"server": {"quic": "…"}}``."""
    given = {name: dict(table) for name, table in flags.items() if table}
    return Source(given, everywhere="on the command line")


def stray(environment: Mapping[str, str], sections: Mapping[str, type[BaseModel]]) -> Iterator[tuple[str, str | None]]:
    """Name the variables that begin like ours and are not read, each with the name that may have been meant.

    Platforms set such ones: for a Service called ``quicgw-server`` Kubernetes sets ``QUICGW_SERVER_SERVICE_HOST``.
    """
    for variable in sorted(environment):
        section, *rest = _parts(variable)
        if (rest and section) or not section or variable.upper() in {"QUICGW_BACKEND", "QUICGW_FAST", "QUICGW_TOKEN"}:
            continue
        if section in sections and environment[variable].lstrip().startswith("{"):
            continue
        name, _, key = section.partition("_")
        meant = name in sections and key in sections[name].model_fields
        yield variable, f"{PREFIX}{name}{SEPARATOR}{key}".upper() if meant else None


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
        entry = _json(variable, value, example(known))
    for name in reversed(key):
        entry = {name: entry}
    _merge(source.tables, entry)
    source.places[key] = f"in the variable {variable}"


def _json(variable: str, value: str, like: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"the variable {variable} is not valid JSON, as a list or a table must be: "
            f"write for example {variable}='{like}'"
        ) from error


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
