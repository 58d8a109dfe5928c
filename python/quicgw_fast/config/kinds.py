"""What kinds of values there are: how each is called, how people write it, and what an editor may know of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin

from quicgw_fast.config.values import Form, Within, WordOrNumber, parse_duration, parse_size, without_password

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic.fields import FieldInfo

    Mark = TypeVar("Mark")
    Schema = dict[str, Any]

_DURATION = r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d)?\s*$"
_SIZE = r"^\s*[0-9]{1,30}\s*(B|KiB|MiB|GiB|TiB)?\s*$"


@dataclass(frozen=True, slots=True)
class ValueKind:
    """The kind of one key's value."""

    name: str
    plain: Callable[[Any], Any]
    """From a value to what TOML and JSON have for it, as people write it and without passwords: ``300.0`` → ``5m``."""
    schema: Schema
    """As JSON Schema has it."""
    example: Any
    """For a key that has no default and no example of its own."""
    bounds: str = ""
    unit: str = ""
    choices: tuple[str, ...] = ()
    """Words, of which one may be written; where there are bounds, too, or a number within them."""

    @property
    def allowed(self) -> tuple[str, ...]:
        """What may be written, where not everything of the kind may: the words, the bounds, or both."""
        bounds = f"{self.bounds} {self.unit}".strip()
        return (*self.choices, bounds) if bounds else self.choices


def kind_of(known: FieldInfo) -> ValueKind:
    """Return the kind of a declared key."""
    return _kind(known.annotation, tuple(known.metadata))


def _kind(annotation: Any, marks: tuple[object, ...] = ()) -> ValueKind:
    if hasattr(annotation, "__metadata__"):
        return _kind(annotation.__origin__, (*marks, *annotation.__metadata__))
    within, form = _mark(Within, marks), _mark(Form, marks)
    if within is not None:
        return _bounded(within, annotation)
    if form is not None:
        checked = {"type": "string", "pattern": form.pattern}
        return ValueKind(form.name, without_password, checked, "gateway.example:8443")
    if (either := _mark(WordOrNumber, marks)) is not None:
        return _word_or_number(either)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        (inner,) = (each for each in arguments if each is not type(None))
        return _kind(inner, marks)
    if origin is Literal:
        return ValueKind("choice", str, {"enum": list(arguments)}, arguments[0], choices=arguments)
    if origin is tuple:
        return _list(arguments)
    if origin is dict:
        inner = _kind(arguments[1])
        schema = {"type": "object", "additionalProperties": inner.schema}
        return ValueKind(
            f"table of {inner.name}s", lambda table: {k: inner.plain(v) for k, v in table.items()}, schema, {}
        )
    return _SIMPLE[annotation]


def _mark(kind: type[Mark], marks: tuple[object, ...]) -> Mark | None:
    return next((mark for mark in marks if isinstance(mark, kind)), None)


def _bounded(within: Within, annotation: object) -> ValueKind:
    bounds = {"minimum": within.low, "maximum": within.high}
    number: Schema = {"type": "integer" if annotation is int else "number", **bounds}
    for parse, name, pattern, example in (
        (parse_duration, "duration", _DURATION, "30s"),
        (parse_size, "size", _SIZE, "1MiB"),
    ):
        if within.parse is parse:
            schema = {"anyOf": [{"type": "string", "pattern": pattern}, number]}
            return ValueKind(name, within.write, schema, example, within.bounds)
    name = "whole number" if annotation is int else "number"
    return ValueKind(name, _number, number, 1, within.bounds, within.unit)


def _word_or_number(either: WordOrNumber) -> ValueKind:
    within = either.within
    number: Schema = {"type": "integer", "minimum": within.low, "maximum": within.high}
    schema = {"anyOf": [{"enum": list(either.words)}, number]}
    words = either.words
    return ValueKind("choice or whole number", _same, schema, words[0], within.bounds, within.unit, words)


def _same(value: Any) -> Any:
    return value


def _number(value: float) -> float:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _list(arguments: tuple[Any, ...]) -> ValueKind:
    """A list of any length, ``tuple[X, ...]``, or one in which each place has its own kind."""
    if arguments[-1] is Ellipsis:
        inner = _kind(arguments[0])
        name = f"list of {inner.name}{_plural(inner.name)}"
        schema: Schema = {"type": "array", "items": inner.schema}
        plain: Callable[[Any], Any] = lambda values: [inner.plain(value) for value in values]  # noqa: E731
        return ValueKind(name, plain, schema, [inner.example], inner.bounds, inner.unit, inner.choices)
    places = [_kind(argument) for argument in arguments]
    count = len(places)
    schema = {"type": "array", "prefixItems": [each.schema for each in places], "minItems": count, "maxItems": count}
    names = [each.name for each in places]
    name = f"list of {count} {names[0]}s" if len(set(names)) == 1 else f"[{', '.join(names)}]"
    plain = lambda values: [each.plain(value) for each, value in zip(places, values, strict=True)]  # noqa: E731
    return ValueKind(name, plain, schema, [each.example for each in places], places[0].bounds, places[0].unit)


def _plural(name: str) -> str:
    """What makes several of the name of one."""
    if name.endswith("]"):
        return ""
    return "es" if name.endswith("s") else "s"


_SIMPLE: dict[Any, ValueKind] = {
    bool: ValueKind("true or false", bool, {"type": "boolean"}, False),
    int: ValueKind("whole number", int, {"type": "integer"}, 1),
    float: ValueKind("number", _number, {"type": "number"}, 1),
    str: ValueKind("text", without_password, {"type": "string"}, "text"),
    Path: ValueKind("file", lambda path: without_password(str(path)), {"type": "string", "minLength": 1}, "file.pem"),
}
