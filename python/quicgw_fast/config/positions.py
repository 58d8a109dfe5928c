"""Where the keys and values of a TOML text stand in it, which the parser of the standard library does not tell.

Only for a text that was parsed already: what it says is known then, and all that is looked for is where keys, values
and their ends are. What is no string, array or inline table ends at the next comma, bracket, comment or line.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import NamedTuple

Path = tuple[str | int, ...]
"""Names, and numbers of entries, from the outside in."""

DEEPEST = 32
"""Names and numbers in each other: no key needs as many, and what goes over all levels must come to an end."""
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_NAME = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*'""")
_TEXT = re.compile(r'''"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*\'''', re.DOTALL)
_PLAIN = re.compile(r"[^,\]}\n#]*")


class Spot(NamedTuple):
    """A line and a column, both counted from 1."""

    line: int
    column: int


class Positions(NamedTuple):
    """Of each key where it is written first, and where its value begins; entries of lists have values alone."""

    keys: dict[Path, Spot]
    values: dict[Path, Spot]


def positions(text: str) -> Positions:
    """Find all keys and values of ``text``, which ``tomllib`` has parsed without an error.

    Raises RecursionError for what is nested more than ``DEEPEST`` levels deep.
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return scanner.found


class _Scanner:
    """Goes over the text once; each method begins where the one before it ended."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._entries: dict[Path, int] = {}
        """Of each array of tables the number of its last one."""
        self.found = Positions({}, {})

    def document(self) -> None:
        table: Path = ()
        while not self._ends():
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _ends(self) -> bool:
        """Go over space and comments; whether nothing follows."""
        self._take(_SPACE)
        return self._at >= len(self._text)

    def _header(self) -> Path:
        start = self._at
        brackets = 2 if self._text.startswith("[[", start) else 1
        self._at += brackets
        path = self._path(())
        self._at += brackets
        if brackets == 2:
            path = path[:-1] if path[:-1] in self._entries else path
            self._entries[path] = self._entries.get(path, -1) + 1
            path = (*path, self._entries[path])
        self.found.keys.setdefault(path, self._spot(start))
        return path

    def _pair(self, table: Path) -> None:
        path = self._path(table)
        self._take(_SPACE)
        self._at += 1  # the equals sign
        self._take(_SPACE)
        self._value(path)

    def _path(self, table: Path) -> Path:
        """Read a key with its dots, and note where each part of it stands."""
        path = table
        while True:
            self._take(_SPACE)
            spot = self._spot(self._at)
            name = self._take(_NAME)
            if len(path) >= DEEPEST:
                raise RecursionError
            path = (*path, tomllib.loads(f"name = {name}")["name"] if name[0] in "\"'" else name)
            self.found.keys.setdefault(path, spot)
            if path in self._entries:
                path = (*path, self._entries[path])
            self._take(_SPACE)
            if not self._text.startswith(".", self._at):
                return path
            self._at += 1

    def _value(self, path: Path) -> None:
        if len(path) > DEEPEST:
            raise RecursionError
        self.found.values.setdefault(path, self._spot(self._at))
        match self._text[self._at]:
            case "[":
                self._list("]", path)
            case "{":
                self._list("}", path)
            case '"' | "'":
                self._take(_TEXT)
            case _:
                self._take(_PLAIN)

    def _list(self, end: str, path: Path) -> None:
        """Read what is in brackets: values that have numbers, or pairs."""
        self._at += 1
        number = 0
        while not self._ends():
            if self._text[self._at] == end:
                self._at += 1
                return
            if self._text[self._at] == ",":
                self._at += 1
            elif end == "}":
                self._pair(path)
            else:
                self._value((*path, number))
                number += 1

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None, f"this is not the TOML that was parsed, at {self._spot(self._at)}"
        self._at = match.end()
        return match[0]

    def _spot(self, at: int) -> Spot:
        line = bisect_right(self._lines, at)
        return Spot(line, at - self._lines[line - 1] + 1)
