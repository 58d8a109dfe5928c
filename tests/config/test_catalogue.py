"""The description of all keys: complete, and the same as what is declared."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from quicgw_fast.config import Config, read
from quicgw_fast.config.catalogue import ESSENTIAL, Setting, Since, _setting, catalogue, settings
from quicgw_fast.config.declared import help_of_keys
from quicgw_fast.config.models import SECTIONS
from quicgw_fast.config.toml import toml
from quicgw_fast.errors import ConfigError

EVERY = list(settings().values())
WRITABLE = [setting for setting in EVERY if not setting.is_file]


def test_every_key_is_described() -> None:
    declared = [f"{table}.{key}" for table, section in SECTIONS.items() for key in section.model_fields]
    assert list(settings()) == declared
    assert [table.name for table in catalogue()] == list(SECTIONS)
    assert set(ESSENTIAL) <= set(declared)


@pytest.mark.parametrize("setting", EVERY, ids=lambda setting: setting.key)
def test_every_key_has_help_and_a_release(setting: Setting) -> None:
    assert re.fullmatch(r"[A-Z`].*[.:]", setting.help, re.DOTALL), setting.help
    assert re.fullmatch(r"\d+\.\d+\.\d+", setting.since)


def test_no_table_takes_keys_while_it_runs_that_there_are_not() -> None:
    for name, section in SECTIONS.items():
        assert section.live <= set(section.model_fields), name


def test_every_table_has_help() -> None:
    for table in catalogue():
        assert table.help, table.name
        assert not table.help.startswith("``["), table.name


def written(setting: Setting, value: Any) -> Any:
    config = read(overrides={setting.table: {setting.name: value}})
    return getattr(getattr(config, setting.table), setting.name)


@pytest.mark.parametrize("setting", EVERY, ids=lambda setting: setting.key)
def test_default_and_example_can_be_written_as_they_are_shown(setting: Setting) -> None:
    default = getattr(getattr(Config(), setting.table), setting.name)
    if setting.default is None:
        assert default is None
    else:
        assert written(setting, tomllib.loads(f"value = {toml(setting.default)}")["value"]) == default
    assert written(setting, tomllib.loads(f"value = {toml(setting.example)}")["value"]) not in (None, (), {})


@pytest.mark.parametrize("setting", EVERY, ids=lambda setting: setting.key)
def test_what_is_written_is_shown_the_same(setting: Setting) -> None:
    assert setting.kind.plain(written(setting, setting.example)) == setting.example


def test_a_younger_key_says_so() -> None:
    from typing import Annotated

    from quicgw_fast.config.tables.base import Section

    class YoungConfig(Section):
        """``[young]``: for this test."""

        old: int = 1
        """Old."""
        new: Annotated[int, Since("9.9.0")] = 2
        """New."""

    assert _setting("young", "old", YoungConfig).since == Section.since
    assert _setting("young", "new", YoungConfig).since == "9.9.0"


def test_help_is_there_without_docstrings() -> None:
    program = "from quicgw_fast.config.catalogue import settings; print(settings()['session.timeout'].help)"
    done = subprocess.run([sys.executable, "-OO", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("A connection without any message")


def test_help_without_sources_is_missed_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nowhere", ModuleType("nowhere"))
    monkeypatch.setattr(sys.modules["nowhere"], "__file__", "/nowhere.py", raising=False)
    model: type[BaseModel] = type("Model", (BaseModel,), {"__module__": "nowhere"})
    with pytest.raises(ConfigError, match="no source is installed"):
        help_of_keys(model)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (12_000, "12_000"),
        (0.5, "0.5"),
        ('a "b" é\n\x7f', r'"a \"b\" é\n\u007f"'),
        ([1, "x", [True]], '[1, "x", [true]]'),
        ({}, "{}"),
        ({"a b": "c"}, '{ "a b" = "c" }'),
    ],
)
def test_toml_is_written_as_it_is_read(value: Any, text: str) -> None:
    assert toml(value) == text
    assert tomllib.loads(f"value = {text}")["value"] == value
