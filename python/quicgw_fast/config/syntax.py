"""What is told about a file that is no TOML: where, and what was probably meant."""

from __future__ import annotations

import codecs
import re
import sys
from typing import NamedTuple

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_PAIR = re.compile(r"""\s*(?P<key>[A-Za-z0-9_.-]+)\s*=\s*(?P<value>[^"'\[{#\s][^#"']*?)\s*(#.*)?""")
_NOTHING = re.compile(r"\s*[A-Za-z0-9_.-]+\s*=\s*(#.*)?")
_YAML_TABLE = re.compile(r"\s*(?P<name>[A-Za-z0-9_-]+):\s*")
_TWICE = re.compile(r"Cannot declare \((.+?),?\) twice")
_HUGE = re.compile(rf"[0-9][0-9_]{{{sys.int_info.default_max_str_digits}}}")
_SWITCHES = {**dict.fromkeys(("true", "yes", "on"), "true"), **dict.fromkeys(("false", "no", "off"), "false")}
_NOT_EQUAL = re.compile(r"\s*(?P<key>[A-Za-z0-9_-]+)\s*(:|\s)\s*(?P<value>[^=]+)")
_SIMPLE = re.compile(r"[A-Za-z0-9_.+:/~-]+")
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
        number = _HUGE.search(text)
        if number is not None:  # Python refuses to read it, and gives advice to programmers
            before = text[: number.start()].replace("\r\n", "\n").split("\n")
            return Fault("a number has thousands of digits; write a smaller one", len(before), len(before[-1]) + 1)
        return Fault(f"{told}; correct it", None, None)
    lines = text.replace("\r\n", "\n").split("\n")
    said = told[: at.start()]
    line = int(at[1] or len(text.rstrip().split("\n")))
    column = int(at[2]) if at[2] else len(lines[line - 1]) + 1
    return Fault(f"{_plainly(said)}; {_advice(said, lines[line - 1])}", line, column)


def _plainly(said: str) -> str:
    """Write what the parser says as a part of a sentence, and a table as people write it."""
    twice = _TWICE.fullmatch(said)
    if twice is not None:
        return f"[{twice[1].replace(', ', '.').replace(chr(39), '')}] is there twice"
    return said[:1].lower() + said[1:]


def _advice(said: str, line: str) -> str:
    if said.startswith("Cannot declare"):
        return "a table has one place: put its keys together there"
    if said.startswith("Cannot overwrite"):
        return "it is written twice: take one away"
    if "“" in line or "”" in line or "‘" in line or "’" in line:
        return 'text stands in straight quotes: "…"'
    if line.startswith("{"):
        return "this looks like JSON: write tables as [server], and below them keys as quic = …"
    table = _YAML_TABLE.fullmatch(line)
    if table is not None:
        return f"a table is written [{table['name']}], and a key below it name = …"
    if _NOTHING.fullmatch(line):
        return "write the value behind the equals sign, or take the key away"
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
    if value.lower() in _SWITCHES:
        return f"write {key} = {_SWITCHES[value.lower()]}"
    if len(value) > _LONGEST or not _SIMPLE.fullmatch(value):
        return 'text stands in quotes: "…"'
    return f'text, times and sizes stand in quotes: {key} = "{value}"'


def encoding_of(data: bytes, start: int) -> str:
    """Say what the bytes of a text that is not UTF-8 are instead, or where it is not."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "but UTF-16"
    return f"from byte {start}"
