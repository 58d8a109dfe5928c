"""Two configurations, one in use and one written since: what differs, and what a running gateway takes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from quicgw_fast.config.catalogue import settings
from quicgw_fast.config.models import SECTIONS, Config
from quicgw_fast.config.sources import is_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.config.places import Key, SettingPlace
    from quicgw_fast.config.tables.base import Section


LONGEST = 60
"""Characters of a value, but of a path, that are told."""


class Change(NamedTuple):
    """One key that has another value now."""

    key: str
    """As it is written: ``session.timeout``."""
    before: str
    after: str
    live: bool
    """Whether it is taken while the gateway runs; else the value before stays until the next start."""


def changes(before: Config, after: Config) -> Iterator[Change]:
    """Name every key that differs."""
    for name in SECTIONS:
        old, new = _section(before, name), _section(after, name)
        for key in type(new).model_fields:
            was, will = getattr(old, key), getattr(new, key)
            if was != will:
                yield Change(f"{name}.{key}", _text(name, key, was), _text(name, key, will), key in new.taken_from(old))


def without_restart(before: Config, after: Config) -> Config:
    """Return ``after``, with the values of ``before`` for all keys that need a restart.

    Which keys were written and where, and which are defaults, is kept of each.
    """
    mixed = {name: _mixed(_section(before, name), _section(after, name)) for name in SECTIONS}
    places: dict[Key, SettingPlace] = {}
    for name, kind in SECTIONS.items():
        taken = _section(after, name).taken_from(_section(before, name))
        places |= {(name, key): (after if key in taken else before).place((name, key)) for key in kind.model_fields}
    return Config.model_construct(_fields_set=None, **mixed).placed(places)


def files(config: Config) -> dict[str, Path]:
    """The files, by key, whose content a running gateway takes when it has changed."""
    found = {}
    for name, kind in SECTIONS.items():
        section = _section(config, name)
        for key, known in kind.model_fields.items():
            value = getattr(section, key)
            if key in section.live and isinstance(value, Path) and is_path(known):
                found[f"{name}.{key}"] = value
    return found


def _section(config: Config, name: str) -> Section:
    section: Section = getattr(config, name)
    return section


def _mixed(before: Section, after: Section) -> Section:
    kind = type(after)
    taken = after.taken_from(before)
    of_key = {key: after if key in taken else before for key in kind.model_fields}
    written = {key for key, section in of_key.items() if key in section.model_fields_set}
    values: dict[str, Any] = {key: getattr(section, key) for key, section in of_key.items()}
    return kind.model_construct(_fields_set=written, **values)


def _text(name: str, key: str, value: object) -> str:
    """Write it as people do."""
    plain = None if value is None else settings()[f"{name}.{key}"].kind.plain(value)
    if plain is None:
        return "not set"
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    return text if isinstance(value, Path) or len(text) <= LONGEST else f"{text[:LONGEST]}…"
