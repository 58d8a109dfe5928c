"""Values as TOML writes them, for files that people go on to edit."""

from __future__ import annotations

import json
from typing import Any

from quicgw_fast.config.values import plain_number


def toml(value: Any) -> str:
    """Write a text, a number, true or false, or a list or a table of them, on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return plain_number(value)
        case str():
            return "".join(one if one.isprintable() else _escaped(one) for one in json.dumps(value, ensure_ascii=False))
        case dict():
            pairs = ", ".join(f"{json.dumps(name)} = {toml(inner)}" for name, inner in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
    return f"[{', '.join(map(toml, value))}]"


def _escaped(letter: str) -> str:
    number = ord(letter)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
