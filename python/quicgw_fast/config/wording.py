"""What a configuration that cannot be used is told, in the words of whoever wrote it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

from quicgw_fast.config.mistakes import Mistake, did_you_mean
from quicgw_fast.config.values import example, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pydantic import BaseModel, ValidationError

    from quicgw_fast.config.places import Key, SettingPlace

    Sections = Mapping[str, type[BaseModel]]

MOST = 100
"""Mistakes that are told: nobody reads more at once, and to guess what was meant by each takes its time."""
_NUMBER = "must be a number"
_WHOLE = "must be a whole number"
_FLAG = "must be true or false"
_TABLE = "must be a table"
_WORDS = {
    "bool_parsing": _FLAG,
    "bool_type": _FLAG,
    "dict_type": _TABLE,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_type": _WHOLE,
    "model_type": _TABLE,
    "path_type": "must be a path in quotes",
    "string_type": "must be a text in quotes",
}
_RANGE = 'must be [low, high, "zone"], for example [1, 9999, "001"]'


def mistakes_of(error: ValidationError, place: Callable[[Key], SettingPlace], sections: Sections) -> Iterator[Mistake]:
    """Name every mistake; ``place`` says where a key is written."""
    problems = error.errors(include_url=False)
    if len(problems) > MOST:  # what is not known comes last, as it may be any number
        problems.sort(key=lambda problem: problem["type"] == "extra_forbidden")
    for problem in problems[:MOST]:
        location: tuple[str | int, ...] = problem["loc"]
        key = _key(location)
        entry = next((part for part in location if isinstance(part, int)), None)
        where = f"entry {entry + 1} " if entry is not None else ""
        what, meant = _what(problem, key, sections)
        yield Mistake(f"{where}{what}", (key,), (place(key),), meant)
    if len(problems) > MOST:
        more = f"there are {len(problems) - MOST:_} mistakes more; correct these first"
        yield Mistake(more, places=(place(_key(problems[MOST]["loc"])),))


def _key(location: tuple[str | int, ...]) -> Key:
    return tuple(part for part in location if isinstance(part, str) and part != "[key]")


def _what(problem: Any, key: Key, sections: Sections) -> tuple[str, str]:
    """Return what is wrong with a key, and what was probably meant."""
    kind, value = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        return _unknown_key(key, sections) if len(key) > 1 else _unknown_table(key[0], value, sections)
    if kind == "literal_error":
        known = get_args(_annotation(problem, key, sections))
        meant, asked = did_you_mean(value, known) if isinstance(value, str) else ("", "")
        return f"must be {problem['ctx']['expected']}, not {shown(value)}{asked}", meant
    return _bad_value(problem, key, sections), ""


def _annotation(problem: Any, key: Key, sections: Sections) -> Any:
    """The type of the key, or of the entries of its list."""
    annotation = sections[key[0]].model_fields[key[1]].annotation
    return get_args(annotation)[0] if len(problem["loc"]) > len(key) else annotation


def _unknown_key(key: Key, sections: Sections) -> tuple[str, str]:
    table, name = key[0], key[1]
    known = sections[table].model_fields
    homes = [other for other, section in sections.items() if name in section.model_fields]
    if homes:
        return f"there is no such key in [{table}]; {name} belongs to {_tables(homes)}", f"{homes[0]}.{name}"
    meant, asked = did_you_mean(name, known)
    if meant:
        return f"unknown key{asked}", f"{table}.{meant}"
    everywhere = {f"{other}.{each}": each for other, section in sections.items() for each in section.model_fields}
    near, _ = did_you_mean(name, everywhere.values())
    if near:
        meant = next(full for full, each in everywhere.items() if each == near)
        return f"unknown key; did you mean {meant}, in another table?", meant
    return f"unknown key; known: {', '.join(known)}", ""


def _unknown_table(name: str, value: object, sections: Sections) -> tuple[str, str]:
    homes = [table for table, section in sections.items() if name in section.model_fields]
    if homes and not isinstance(value, dict):
        what = f"a key needs its table; {name} belongs to {_tables(homes)}, which must stand above it"
        return what, f"{homes[0]}.{name}"
    meant, asked = did_you_mean(name, sections)
    return f"unknown table{asked}" if meant else f"unknown table; known: {', '.join(sections)}", meant


def _tables(names: list[str]) -> str:
    return " or ".join(f"[{name}]" for name in names)


def _bad_value(problem: Any, key: Key, sections: Sections) -> str:
    kind, value = problem["type"], problem["input"]
    if kind == "value_error":
        return str(problem["msg"]).removeprefix("Value error, ")
    if len(key) == 1:
        return f"{_TABLE}, not {shown(value)}: write [{key[0]}] on a line of its own, and its keys below it"
    if key == ("routing", "zone_ranges") and len(problem["loc"]) > 2:
        return f"{_RANGE}, not {shown(value)}"
    if kind == "tuple_type":
        return f"must be a list, for example {example(sections[key[0]].model_fields[key[1]])}, not {shown(value)}"
    default = sections[key[0]].model_fields[key[1]].default if len(key) == 2 else None
    if kind == "string_type" and isinstance(default, str):
        return f"{_WORDS[kind]}, for example {json.dumps(default)}, not {shown(value)}"
    told = f"{_WORDS.get(kind, problem['msg'])}, not {shown(value)}"
    if isinstance(value, dict) and kind != "dict_type":
        return f"{told}; it is a key and no table: write {key[-1]} = … below [{'.'.join(key[:-1])}]"
    return told
