"""The data of messages: what Python values become, and what becomes of JSON that a handler wants typed.

A dataclass is checked here, against its annotations; a pydantic model checks itself, so that pydantic is needed only
by those who use it.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from typing import TYPE_CHECKING, Any

from quicgw_fast.service.errors import ServiceError, ServiceMistake

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN = (str, int, float, bool, type(None))
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}


class NoBody(TypeError):
    """A value that no rule turns into data."""


class _Unfit(Exception):
    """A value of JSON that is not what the annotation says; the text is "where: what is wanted"."""


def encode_data(value: object) -> bytes:
    """Return a value as data: bytes as they are, text as UTF-8, dict, list, dataclass and pydantic model as JSON.

    None is no data. Raises NoBody for anything else, and for what JSON cannot carry.
    """
    if value is None:
        return b""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, str):
        return value.encode()
    dump = getattr(value, "model_dump_json", None)
    if dump is not None and not isinstance(value, type):
        return str(dump()).encode()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if not isinstance(value, (dict, list)):
        raise NoBody(
            f"{type(value).__name__} is no data: write bytes, str, dict, list, a dataclass or a pydantic model"
        )
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise NoBody(f"it cannot be JSON: {error}") from error


def decode_json(data: bytes) -> Any:
    """Return the value of JSON that a client sent; ServiceError 400 where it is none."""
    if not data:
        raise ServiceError(400, "data is empty, JSON is wanted")
    try:
        return json.loads(data)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ServiceError(400, f"data is not JSON: {error}") from error


def is_model(annotation: object) -> bool:
    """Whether JSON can be made into it: a dataclass or a pydantic model."""
    return isinstance(annotation, type) and (
        dataclasses.is_dataclass(annotation) or hasattr(annotation, "model_validate_json")
    )


def parser_of(model: type, where: str) -> Callable[[bytes], object]:
    """Return what turns data into a ``model``, raising ServiceError 400 that says what is wrong.

    Raises ServiceMistake for a dataclass with a field of a kind that cannot be checked; ``where`` begins it.
    """
    if hasattr(model, "model_validate_json"):
        return lambda data: _parse_pydantic(model, data)
    _check_kinds(model, f"{where}: {model.__name__}", set())
    return lambda data: _parse_dataclass(model, data)


def _parse_pydantic(model: Any, data: bytes) -> object:
    if not data:
        decode_json(data)
    try:
        return model.model_validate_json(data)
    except ValueError as error:  # pydantic's ValidationError is one, and has a list of what is wrong
        found = getattr(error, "errors", None)
        if found is None:
            raise
        told = [f"{'.'.join(map(str, each['loc'])) or 'data'}: {each['msg']}" for each in found()]
        raise ServiceError(400, "; ".join(told)) from error


def _parse_dataclass(model: type, data: bytes) -> object:
    try:
        return _fit(model, decode_json(data), "")
    except _Unfit as error:
        raise ServiceError(400, str(error)) from error


def _hints(model: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(model)
    return {field.name: hints[field.name] for field in dataclasses.fields(model) if field.init}


def _check_kinds(kind: Any, where: str, seen: set[Any]) -> None:
    """Raise ServiceMistake when a part of ``kind`` cannot be checked; ``seen`` are the dataclasses above it."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind in _PLAIN or origin is typing.Literal or kind in seen:
        return
    if origin in (typing.Union, types.UnionType, list) or (origin is dict and parts[0] is str):
        for part in parts:
            _check_kinds(part, where, seen)
        return
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        for name, hint in _hints(kind).items():
            _check_kinds(hint, f"{where}.{name}", {*seen, kind})
        return
    if not (isinstance(kind, type) and issubclass(kind, enum.Enum)):
        raise ServiceMistake(
            f"{where} is {kind!r}, which JSON is not checked against; use str, int, float, bool, None, list[…], "
            "dict[str, …], Literal, an Enum or a dataclass, or make it a pydantic model"
        )


def _fit(kind: Any, value: Any, where: str) -> Any:
    """Return the value as what the annotation says; raises _Unfit."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _fit_one_of(parts, value, where)
    if origin is list:
        return [_fit(parts[0], each, f"{where}[{n}]") for n, each in enumerate(_list(value, where))]
    if origin is dict:
        return {name: _fit(parts[1], each, _below(where, name)) for name, each in _object(value, where).items()}
    if origin is typing.Literal:
        return _fit_choice({part: part for part in parts}, value, where)
    if dataclasses.is_dataclass(kind):
        return _fit_fields(kind, _object(value, where), where)
    if kind in _PLAIN:
        return _fit_plain(kind, value, where)
    return _fit_choice({each.value: each for each in kind}, value, where)


def _fit_choice(choices: dict[Any, Any], value: Any, where: str) -> Any:
    for written, meant in choices.items():
        if type(value) is type(written) and value == written:
            return meant
    raise _unfit(where, f"one of {', '.join(map(repr, choices))}", value)


def _fit_one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    wanted = []
    for kind in kinds:
        try:
            return _fit(kind, value, where)
        except _Unfit as error:
            wanted.append(str(error))
    raise _Unfit(" or ".join(dict.fromkeys(wanted)))


def _fit_plain(kind: type, value: Any, where: str) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:  # True is an int to isinstance, and is none to who wants a number
        raise _unfit(where, _NAMES[kind], value)
    return value


def _fit_fields(model: Any, value: dict[str, Any], where: str) -> object:
    hints = _hints(model)
    unknown = sorted(value.keys() - hints.keys())
    if unknown:
        raise _Unfit(f"{_below(where, unknown[0])}: there is no such field; known are {', '.join(hints)}")
    needed = [
        field.name
        for field in dataclasses.fields(model)
        if field.init and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    for name in needed:
        if name not in value:
            raise _Unfit(f"{_below(where, name)}: it is missing")
    return model(**{name: _fit(hints[name], each, _below(where, name)) for name, each in value.items()})


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _unfit(where, "a list", value)
    return value


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unfit(where, "an object", value)
    return value


def _below(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _unfit(where: str, wanted: str, value: Any) -> _Unfit:
    shown = json.dumps(value, ensure_ascii=False)
    return _Unfit(f"{where or 'data'}: {wanted} is wanted, not {shown if len(shown) <= 40 else shown[:40] + '…'}")
