"""The keys as JSON Schema, by which editors complete, explain and check a file while it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from quicgw_fast.config.catalogue import catalogue

if TYPE_CHECKING:
    from quicgw_fast.config.catalogue import Setting, Table

ADDRESS: Final = "https://raw.githubusercontent.com/quicgw/quicgw_fast/main/docs/reference/quicgw.schema.json"
"""Where it is published."""


def json_schema() -> dict[str, Any]:
    """The whole schema, draft 2020-12. What passes it may still be refused: as a contradiction, say."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ADDRESS,
        "title": "Configuration of quicgw",
        "type": "object",
        "additionalProperties": False,
        "properties": {table.name: _table(table) for table in catalogue()},
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "title": table.name,
        "description": _words(table.help),
        "type": "object",
        "additionalProperties": False,
        "properties": {setting.name: _key(setting) for setting in table.settings},
    }


def _key(setting: Setting) -> dict[str, Any]:
    kind = setting.kind
    limits = f"{kind.bounds} {kind.unit}".strip()
    notes = [f"Allowed: {limits}."] if limits else []
    notes += [] if setting.live else ["Another value needs a restart."]
    described = {"title": setting.key, "description": " ".join([_words(setting.help), *notes]), **kind.schema}
    if setting.default is not None:
        described["default"] = setting.default
    return described if setting.example == setting.default else {**described, "examples": [setting.example]}


def _words(text: str) -> str:
    return text.replace("``", "`")
