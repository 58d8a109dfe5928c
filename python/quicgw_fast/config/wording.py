"""What a configuration that cannot be used is told, in the words of whoever wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicgw_fast.config.values import example, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel, ValidationError

    from quicgw_fast.config.sources import Key

_NUMBER = "must be a number"
_WHOLE = "must be a whole number"
_TABLE = "must be a table"
_WORDS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
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


def explain(error: ValidationError, place: Callable[[Key], str], sections: Mapping[str, type[BaseModel]]) -> str:
    """Return one sentence with every mistake; ``place`` says where a key is written."""
    told = dict.fromkeys(_told(problem, place, sections) for problem in error.errors(include_url=False))
    return f"bad configuration: {'; '.join(told)}"


def _told(problem: Any, place: Callable[[Key], str], sections: Mapping[str, type[BaseModel]]) -> str:
    location: tuple[str | int, ...] = problem["loc"]
    key = tuple(part for part in location if isinstance(part, str) and part != "[key]")
    entry = next((part for part in location if isinstance(part, int)), None)
    where = f"entry {entry + 1} " if entry is not None else ""
    return f"{'.'.join(key)}: {where}{_what(problem, key, sections)} ({place(key)})"


def _what(problem: Any, key: Key, sections: Mapping[str, type[BaseModel]]) -> str:
    kind, value = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        known = sections[key[0]].model_fields if len(key) > 1 else sections
        return f"unknown key; known: {', '.join(known)}"
    if kind == "value_error":
        return str(problem["msg"]).removeprefix("Value error, ")
    if kind == "literal_error":
        return f"must be {problem['ctx']['expected']}, not {shown(value)}"
    if key == ("routing", "zone_ranges") and len(problem["loc"]) > 2:
        return f"{_RANGE}, not {shown(value)}"
    if kind == "tuple_type":
        return f"must be a list, for example {example(sections[key[0]].model_fields[key[1]])}, not {shown(value)}"
    return f"{_WORDS.get(kind, problem['msg'])}, not {shown(value)}"
