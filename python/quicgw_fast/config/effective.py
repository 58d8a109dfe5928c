"""What a gateway runs with: the value of every key, and where it comes from. Nothing secret is in it.

Secrets are never settings, but in files that settings name; a password in a URL is hidden.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from quicgw_fast.config.catalogue import settings
from quicgw_fast.config.places import PlaceKind, SettingPlace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.config.catalogue import Setting
    from quicgw_fast.config.models import Config

VERSION = 1
"""Of the form of ``effective_report``."""


class Effective(NamedTuple):
    """One key as it is in use."""

    setting: Setting
    value: Any
    """As people write it, and as JSON has it; None for a key that is not set."""
    place: SettingPlace

    @property
    def changed(self) -> bool:
        """Whether it is not the default."""
        return bool(self.value != self.setting.default)


def effective(config: Config) -> Iterator[Effective]:
    """Every key in use, in the order of the tables."""
    for setting in settings().values():
        value = getattr(getattr(config, setting.table), setting.name)
        plain = None if value is None else setting.kind.plain(value)
        yield Effective(setting, plain, config.place((setting.table, setting.name)))


def effective_report(config: Config, *, changed: bool = False) -> dict[str, Any]:
    """The same as one object for JSON, by key; ``changed`` leaves out the defaults."""
    shown = (one for one in effective(config) if one.changed or not changed)
    return {"version": VERSION, "settings": {one.setting.key: _row(one) for one in shown}}


def _row(one: Effective) -> dict[str, Any]:
    setting, place = one.setting, one.place
    where = {"file": place.name, "line": place.line} if place.kind is PlaceKind.FILE else {"variable": place.name}
    return {
        "value": one.value,
        "default": setting.default,
        "changed": one.changed,
        "from": str(place.kind),
        **(where if place.name else {}),
        "live": setting.live,
    }
