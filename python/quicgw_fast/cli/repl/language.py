"""What can be typed: one line is one command."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Final

from quicgw_fast.files import read_small
from quicgw_fast.printable import printable

COMMANDS: Final = {
    "call": "call ACTION [KEY=VALUE …] [{JSON} | -- TEXT | @FILE]   ask, and wait for the answer",
    "ack": "ack      how far this client has acknowledged what it got",
    "ping": "ping     how long a heartbeat takes there and back",
    "stats": "stats    what this client has counted",
    "help": "help     this list",
    "quit": "quit     end the session; Ctrl-D does, too",
}
"""Each command, and its line of help."""
TEXT_MARK: Final = "--"
FILE_MARK: Final = "@"


class NotUnderstood(Exception):
    """A line means nothing; the text says what to type."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What a line asks for."""

    command: str
    action: str = ""
    params: dict[str, str] = field(default_factory=dict)
    data: bytes = b""


def read(text: str) -> Typed | None:
    """Understand a line; None for an empty one and a comment. Raises NotUnderstood."""
    text = text.strip()
    if not text or text.startswith("#"):
        return None
    command, _, rest = text.partition(" ")
    if command not in COMMANDS:
        known = ", ".join(COMMANDS)
        raise NotUnderstood(
            f"{command[:40]!r} is no command; to call an action: call {printable(text, 40)} (commands: {known})"
        )
    if command != "call":
        if rest.strip():
            raise NotUnderstood(f"{command} stands alone")
        return Typed(command)
    return _call(rest)


def _call(text: str) -> Typed:
    action, rest = _word(text)
    if not action:
        raise NotUnderstood(f"which action? {COMMANDS['call']}")
    params: dict[str, str] = {}
    while rest:
        if rest[0] in "{[" or rest.startswith((FILE_MARK, f"{TEXT_MARK} ")):
            return Typed("call", action, params, _data(rest))
        word, rest = _word(rest)
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise NotUnderstood(f"{word[:40]!r} is not KEY=VALUE; data is {{JSON}}, @FILE, or text behind --")
        if key in params:
            raise NotUnderstood(f"{key!r} is given twice")
        params[key] = value
    return Typed("call", action, params)


def _word(text: str) -> tuple[str, str]:
    """Take one word off, as a shell would; the rest stays as it is."""
    stream = StringIO(text.lstrip())
    lexer = shlex.shlex(stream, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        return lexer.get_token() or "", stream.read().strip()
    except ValueError as error:
        raise NotUnderstood(f"a quotation is not closed: {printable(text.strip(), 40)}") from error


def _data(text: str) -> bytes:
    if text.startswith(FILE_MARK):
        try:
            return read_small(Path(text[1:]))
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            why = getattr(error, "strerror", None) or error
            raise NotUnderstood(f"cannot read {printable(text[1:], 100)}: {why}") from error
    if text.startswith(TEXT_MARK):
        return text.removeprefix(TEXT_MARK).strip().encode()
    try:
        json.loads(text)
    except ValueError as error:
        where = f" from column {error.colno} on" if isinstance(error, json.JSONDecodeError) else ""
        raise NotUnderstood(f"the data is not JSON{where}; text as it is stands behind --") from error
    return text.encode()
