"""What is told about a file that is no TOML: where, and what was probably meant."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_PAIR = re.compile(r"""\s*(?P<key>[A-Za-z0-9_.-]+)\s*=\s*(?P<value>[^"'\[{#\s][^#"']*?)\s*(#.*)?""")
_NOT_EQUAL = re.compile(r"\s*(?P<key>[A-Za-z0-9_-]+)\s*(:|\s)\s*(?P<value>[^=]+)")
_SIMPLE = re.compile(r"[A-Za-z0-9_.+:-]+")
_LONGEST = 40
"""Characters of a value that are repeated."""


class Fault(NamedTuple):
    """What is wrong, and where if the parser said so; both numbers from 1."""

    what: str
    line: int | None
    column: int | None


def broken_toml(error: ValueError, text: str) -> Fault:
    """Return what the parser found, with advice where what was meant can be guessed."""
    told = str(error)
    at = _AT.search(told)
    if at is None:
        return Fault(f"{told}; correct it", None, None)
    lines = text.replace("\r\n", "\n").split("\n")
    said = told[: at.start()]
    line = int(at[1] or len(text.rstrip().split("\n")))
    column = int(at[2]) if at[2] else len(lines[line - 1]) + 1
    return Fault(f"{_small(said)}; {_advice(said, lines[line - 1])}", line, column)


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _advice(said: str, line: str) -> str:
    if said.startswith("Cannot declare"):
        return "a table has one place: put its keys together there"
    if said.startswith("Cannot overwrite"):
        return "it is written twice: take one away"
    if "“" in line or "”" in line or "‘" in line or "’" in line:
        return 'text stands in straight quotes: "…"'
    if "\\" in line:
        return "in double quotes a backslash is special: write the text in single quotes"
    pair = _PAIR.fullmatch(line)
    if pair is not None:
        return _advice_for_value(pair["key"], pair["value"])
    other = _NOT_EQUAL.fullmatch(line)
    if other is not None:
        return f"a key and its value are written {other['key']} = …"
    return "correct that line"


def _advice_for_value(key: str, value: str) -> str:
    if value.lower() in {"true", "false"}:
        return f"write {key} = {value.lower()}"
    if len(value) > _LONGEST or not _SIMPLE.fullmatch(value):
        return 'text stands in quotes: "…"'
    return f'text, times and sizes stand in quotes: {key} = "{value}"'


def encoding_of(data: bytes, start: int) -> str:
    """Say what the bytes of a text that is not UTF-8 are instead, or where it is not."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "but UTF-16"
    return f"from byte {start}"
