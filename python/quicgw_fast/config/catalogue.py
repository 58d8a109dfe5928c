"""All keys, described once: what the reference, the sample file, the schema and what is shown of a gateway come from.

Everything comes from the declarations in ``tables``: type, bounds and unit from the annotation, the help from the
docstring below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import PydanticUndefined

from quicgw_fast.config.declared import help_of_keys, help_of_table
from quicgw_fast.config.kinds import ValueKind, kind_of
from quicgw_fast.config.models import SECTIONS
from quicgw_fast.config.sources import PREFIX, SEPARATOR, is_path
from quicgw_fast.config.tables.base import MadeFile, Since

if TYPE_CHECKING:
    from quicgw_fast.config.tables.base import Section

ESSENTIAL: Final = (
    *("server.quic", "server.grpc", "server.admin"),
    *("tls.cert", "tls.key"),
    *("upstream.hello", "upstream.business"),
    *("auth.mode", "auth.key_file"),
    *("session.timeout", "session.resume_window"),
    *("log.level", "log.format"),
)
"""What a new user looks at first."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key."""

    table: str
    name: str
    kind: ValueKind
    default: Any
    """As people write it (``ValueKind.plain``); None for a key that is not set unless somebody writes it."""
    example: Any
    """Likewise; where there is a default, that."""
    since: str
    """The release that had it first."""
    live: bool
    """Whether a gateway takes another value while it runs."""
    is_file: bool
    is_made: bool
    """Whether a file that is not there is made."""
    declared_in: type[Section]

    @property
    def key(self) -> str:
        """As people name it: ``session.timeout``."""
        return f"{self.table}.{self.name}"

    @property
    def variable(self) -> str:
        """The variable of the environment that sets it."""
        return f"{PREFIX}{self.table}{SEPARATOR}{self.name}".upper()

    @property
    def help(self) -> str:
        """What it means; raises ConfigError where no sources are installed."""
        return help_of_keys(self.declared_in).get(self.name, "")


@dataclass(frozen=True, slots=True)
class Table:
    """The keys of one table, in the order in which they are declared."""

    name: str
    settings: tuple[Setting, ...]
    declared_in: type[Section]

    @property
    def help(self) -> str:
        """What it is about; raises ConfigError where no sources are installed."""
        told = help_of_table(self.declared_in).removeprefix(f"``[{self.name}]``: ")
        return told[:1].upper() + told[1:]


@cache
def catalogue() -> tuple[Table, ...]:
    """All tables with all keys."""
    return tuple(
        Table(name, tuple(_setting(name, key, section) for key in section.model_fields), section)
        for name, section in SECTIONS.items()
    )


@cache
def settings() -> dict[str, Setting]:
    """Every key by its whole name, ``session.timeout``."""
    return {setting.key: setting for table in catalogue() for setting in table.settings}


def _setting(table: str, name: str, section: type[Section]) -> Setting:
    known = section.model_fields[name]
    kind = kind_of(known)
    value = known.get_default(call_default_factory=True)
    assert value is not PydanticUndefined, f"{table}.{name} has no default"
    default = None if value is None else kind.plain(value)
    # The default is the best example, unless there is none or it is empty.
    example = default or (known.examples[0] if known.examples else kind.example if default is None else default)
    younger = next((mark.release for mark in known.metadata if isinstance(mark, Since)), section.since)
    made = any(isinstance(mark, MadeFile) for mark in known.metadata)
    return Setting(table, name, kind, default, example, younger, name in section.live, is_path(known), made, section)
