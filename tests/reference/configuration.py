"""What documents say of the configuration's keys, made of their description (``config.catalogue``)."""

from __future__ import annotations

import json

from quicgw_fast.config.catalogue import ESSENTIAL, Setting, Table, catalogue, settings
from quicgw_fast.config.schema import json_schema
from quicgw_fast.config.toml import toml


def schema() -> str:
    """The JSON Schema as a file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def tables() -> str:
    """Every table with all its keys."""
    return "\n\n".join(_table(table) for table in catalogue())


def live_keys() -> str:
    """What a running gateway takes, and what needs a restart."""
    rows = ["| table | taken while it runs | needs a restart |", "|---|---|---|"]
    for table in catalogue():
        live = [one.name for one in table.settings if one.live]
        others = [one.name for one in table.settings if not one.live]
        rows.append(f"| `[{table.name}]` | {_names(live)} | {_names(others)} |")
    return "\n".join(rows)


def essential_keys() -> str:
    """The few that a new user looks at first."""
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for key in ESSENTIAL:
        one = settings()[key]
        rows.append(f"| `{key}` | {_default(one)} | {_cell(one.help)} |")
    return "\n".join(rows)


def _names(keys: list[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys) or "–"


def _table(table: Table) -> str:
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    rows += [f"| `{one.name}` | {_value(one)} | {_default(one)} | {_meaning(one)} |" for one in table.settings]
    return f"## [{table.name}]\n\n{_words(table.help)}\n\n" + "\n".join(rows)


def _value(one: Setting) -> str:
    kind = one.kind
    if kind.choices:
        choices = ", ".join(f"`{choice}`" for choice in kind.choices)
        choices = f"{choices}, or {kind.bounds} {kind.unit}".rstrip() if kind.bounds else choices
        return f"list of {choices}" if isinstance(one.example, list) else choices
    name = "`true`, `false`" if kind.name == "true or false" else kind.name
    return f"{name}, {kind.bounds} {kind.unit}".rstrip() if kind.bounds else name


def _default(one: Setting) -> str:
    return "–" if one.default is None else f"`{toml(one.default)}`"


def _meaning(one: Setting) -> str:
    since = "" if one.since == one.declared_in.since else f" Since {one.since}."
    return f"{_cell(one.help)}{since}{'' if one.live else ' *Needs a restart.*'}"


def _cell(text: str) -> str:
    return " ".join(_words(text).split()).replace("|", "\\|")


def _words(text: str) -> str:
    return text.replace("``", "`")
