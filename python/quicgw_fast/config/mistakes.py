"""What is wrong with a configuration: every mistake, with its place, in the words of whoever wrote it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.errors import ConfigError
from quicgw_fast.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quicgw_fast.config.places import Key, SettingPlace

ALIKE = 0.7
"""How alike two names are, of 1, when one of them may have been meant by the other."""


class Mistake(NamedTuple):
    """One mistake. It is about a key, about several that do not go together, or about a whole file or variable."""

    what: str
    """What is wrong and what to do, to be read behind the keys."""
    keys: tuple[Key, ...] = ()
    places: tuple[SettingPlace, ...] = ()
    """Where each key is written; where there is none, of what it is about."""
    meant: str = ""
    """What was probably meant by something that is not known; ``what`` says so, too."""

    @property
    def names(self) -> list[str]:
        """The keys as they can be shown: one that is not known may hold anything."""
        return [printable(".".join(key), None) for key in self.keys]

    @property
    def told(self) -> str:
        """The whole sentence, with keys and places."""
        names = self.names
        match names:
            case []:
                told = f"{self.places[0].short}: {self.what}"
            case [name]:
                told = f"{name}: {self.what} ({self.places[0]})"
            case _:
                each = (f"{name} ({place})" for name, place in zip(names, self.places, strict=True))
                told = f"{' and '.join(each)}: {self.what}"
        return printable(told, None)


class BadConfigError(ConfigError):
    """A configuration with mistakes, of which its message names all."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(dict.fromkeys(mistakes))
        super().__init__(f"bad configuration: {'; '.join(dict.fromkeys(one.told for one in self.mistakes))}")


def nearest(name: str, known: Iterable[str], *, alike: float = ALIKE) -> str:
    """Return which of the known names was probably meant; empty when none is as much ``alike``, of 1."""
    plain = {each.lower().replace("-", "_"): each for each in known}
    wanted = "".join(f"_{letter}" if letter.isupper() else letter for letter in name)  # as camelCase has it
    for spelling in (name, wanted.lstrip("_")):
        found = difflib.get_close_matches(spelling.lower().replace("-", "_"), plain, n=1, cutoff=alike)
        if found:
            return plain[found[0]]
    return ""


def did_you_mean(name: str, known: Iterable[str]) -> tuple[str, str]:
    """Return what was probably meant, and how to ask that, to be put behind a sentence; both empty for nothing."""
    meant = nearest(name, known)
    return meant, f"; did you mean {meant}?" if meant else ""
