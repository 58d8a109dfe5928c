"""What docs/operations.md says of each key is what the models say."""

from __future__ import annotations

from quicgw_fast.config import Config
from tests.support.drawing import between


def _names(keys: list[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys) or "–"


def keys_told() -> str:
    """The table of all keys: what a running gateway takes, and what needs a restart."""
    rows = ["| table | taken while it runs | needs a restart |", "|---|---|---|"]
    config = Config()
    for name in type(config).model_fields:
        section = getattr(config, name)
        keys = list(type(section).model_fields)
        live = [key for key in keys if key in section.live]
        rows.append(f"| `[{name}]` | {_names(live)} | {_names([key for key in keys if key not in live])} |")
    return "\n".join(rows)


def test_every_key_is_told_to_be_taken_live_or_not() -> None:
    assert between("docs/operations.md", "keys") == keys_told(), "put tests.reloading.test_docs.keys_told() there"


def test_no_table_takes_keys_that_there_are_not() -> None:
    config = Config()
    for name in type(config).model_fields:
        section = getattr(config, name)
        assert section.live <= set(type(section).model_fields), name
