"""A line of ``quicgw push batch``: a push in protobuf's JSON, or what is wrong with it in words of our own."""

from __future__ import annotations

import base64
import binascii
import difflib
import json
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import ParseDict

from quicgw_fast.printable import printable
from quicgw_fast.proto import service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable

TARGETS: Final = ("session", "openid", "gid")
"""What a push may be sent to."""
NEEDED: Final = ("target_type", "target_id")
FORM: Final = '{"target_type": "openid", "target_id": "alice", "content": "hi"}'
_LONGEST: Final = 40
"""Characters of what was written that a message repeats."""
_FIELDS: Final = {field.name: field for field in pb.UnicastPushRequest.DESCRIPTOR.fields}
_JSON_NAMES: Final = {field.json_name: name for name, field in _FIELDS.items()}
"""As JSON names them (``targetType``), which the format allows beside ours."""


class BadPushError(ValueError):
    """The line is no push; the text says which field, what is wrong with it, and what is expected."""


def read_push(line: str) -> pb.UnicastPushRequest:
    """Understand a line. Raises BadPushError."""
    fields = {_field(name): value for name, value in _object(line).items() if value is not None}
    for name, value in fields.items():
        expected = _unlike(_FIELDS[name], value)
        if expected:
            raise BadPushError(f"{name} is {_shown(value)}; write {expected}")
    for name in NEEDED:
        if not fields.get(name):
            raise BadPushError(f"{name} is missing; write for example {FORM}")
    if fields["target_type"] not in TARGETS:
        raise BadPushError(f"target_type is {_shown(fields['target_type'])}; write {_one_of(TARGETS)}")
    return ParseDict(fields, pb.UnicastPushRequest())


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line, object_pairs_hook=_once)
        line.encode()
    except json.JSONDecodeError as error:
        raise BadPushError(f"it is not JSON from column {error.colno} on; write for example {FORM}") from error
    except (UnicodeEncodeError, RecursionError) as error:
        raise BadPushError(f"it is not JSON; write for example {FORM}") from error
    if not isinstance(found, dict):
        raise BadPushError(f"it is {_shown(found)}; write an object, for example {FORM}")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise BadPushError(f"{printable(name, _LONGEST)} is written twice; write it once")
    return dict(pairs)


def _field(name: str) -> str:
    known = _JSON_NAMES.get(name, name)
    if known in _FIELDS:
        return known
    near = difflib.get_close_matches(name.lower(), _FIELDS, 1)
    meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(_FIELDS)}"
    raise BadPushError(f"there is no field {printable(name, _LONGEST)}; {meant}")


def _unlike(field: FieldDescriptor, value: Any) -> str:
    """What is expected of a field, where ``value`` is something else; empty where it fits."""
    if field.enum_type is not None:
        names = [one.name for one in field.enum_type.values]
        return (
            ""
            if value in names or (type(value) is int and value in field.enum_type.values_by_number)
            else _one_of(names)
        )
    if field.message_type is not None:  # the one map
        fits = isinstance(value, dict) and all(isinstance(each, str) and _is_text(each) for each in value.values())
        return "" if fits else 'an object of texts, for example {"key": "value"}'
    expected, fits_in = _KINDS[field.type]
    return "" if fits_in(value) else expected


def _is_text(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(value.encode() or not value)
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can write and UTF-8 cannot
        return False


def _is_base64(value: Any) -> bool:
    try:
        return isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    except (binascii.Error, ValueError):
        return False


def _is_below(most: int) -> Callable[[Any], bool]:
    """Whether something is such a number; as text, too: so JSON has those that are larger than its readers'."""

    def fits(value: Any) -> bool:
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(most)):
            return int(value) < most
        return type(value) is int and 0 <= value < most

    return fits


_KINDS: Final[dict[int, tuple[str, Callable[[Any], bool]]]] = {
    FieldDescriptor.TYPE_STRING: ('a text, for example "hello"', _is_text),
    FieldDescriptor.TYPE_BYTES: ('bytes in base64, for example "aGVsbG8="', _is_base64),
    FieldDescriptor.TYPE_UINT32: (f"a whole number from 0 to {(1 << 32) - 1}", _is_below(1 << 32)),
    FieldDescriptor.TYPE_UINT64: (f"a whole number from 0 to {(1 << 64) - 1}", _is_below(1 << 64)),
}
"""What is expected of each kind of field, and what tells whether something is that."""


def _one_of(names: tuple[str, ...] | list[str]) -> str:
    return f"one of {', '.join(names)}"


def _shown(value: Any) -> str:
    return printable(json.dumps(value, ensure_ascii=False), _LONGEST)
