"""Where a setting is written, so that whoever reads about it finds it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

Key = tuple[str, ...]
"""Names from the outside in: ``("session", "timeout")`` is ``session.timeout``."""


class PlaceKind(StrEnum):
    """What kind of origin a setting has, the weakest first."""

    DEFAULT = "default"
    FILE = "file"
    VARIABLE = "variable"
    FLAG = "flag"
    CHANGE = "change"
    """An operator changed it in the running gateway."""


class SettingPlace(NamedTuple):
    """One place; as text it ends a sentence: ``in gateway.toml:3``."""

    kind: PlaceKind
    name: str = ""
    """The file or the variable."""
    line: int | None = None
    """Counted from 1, as is ``column``."""
    column: int | None = None

    @property
    def short(self) -> str:
        """The place alone, for a table: ``gateway.toml:3``, ``QUICGW_FAST``, ``flag``."""
        if not self.name:
            return str(self.kind)
        return self.name if self.line is None else f"{self.name}:{self.line}"

    def __str__(self) -> str:
        match self.kind:
            case PlaceKind.FILE:
                return f"in {self.short}"
            case PlaceKind.VARIABLE:
                return f"in the variable {self.name}"
            case PlaceKind.FLAG:
                return "on the command line"
            case PlaceKind.CHANGE:
                return "in the change"
        return "the default"


DEFAULT = SettingPlace(PlaceKind.DEFAULT)
FLAG = SettingPlace(PlaceKind.FLAG)
CHANGE = SettingPlace(PlaceKind.CHANGE)


def in_file(name: object, line: int | None = None, column: int | None = None) -> SettingPlace:
    """A place in the file ``name``, or the whole of it."""
    return SettingPlace(PlaceKind.FILE, str(name), line, column)


def in_variable(name: str) -> SettingPlace:
    """A variable of the environment."""
    return SettingPlace(PlaceKind.VARIABLE, name)
