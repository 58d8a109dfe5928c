"""The JSON Schema for editors: takes what a gateway takes, and refuses what can be seen without knowing the rest."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from quicgw_fast.config import load
from quicgw_fast.config.catalogue import settings
from quicgw_fast.config.schema import json_schema
from quicgw_fast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("clean_environment")
SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def problems(document: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(document)]


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_it_explains_every_key() -> None:
    for setting in settings().values():
        described = SCHEMA["properties"][setting.table]["properties"][setting.name]
        assert described["title"] == setting.key
        assert len(described["description"]) > 10, setting.key
        assert described.get("default") == setting.default


@pytest.mark.parametrize("setting", settings().values(), ids=lambda setting: setting.key)
def test_default_and_example_pass(setting: Any) -> None:
    for value in (setting.default, setting.example):
        assert value is None or not problems({setting.table: {setting.name: value}})


@pytest.mark.parametrize(
    "text",
    [
        "",
        '[server]\nquic = "[::1]:0"\nwatch = 0\n',
        '[session]\ntimeout = "250ms"\nresume_window = 90.5\nwindow_bytes = "64 KiB"\nmemory = 268435456\n',
        "[limits]\nmessages_per_second = 0.5\nin_flight = 3\n",
        '[routing]\nmode = "zone"\nzone_ranges = [[1, 9999, "001"]]\nordered = ["move"]\n',
        '[routing.exact]\nhello = "hello"\n',
        '[upstream]\nhello = ["127.0.0.1:9001", "hello.internal:9001"]\nejection = false\n',
        "[overload]\nmemory_stages = [0.5, 0.6, 0.7, 0.8]\n",
    ],
)
def test_good_files_pass(write: Callable[[str], Path], text: str) -> None:
    load(write(text))
    assert problems(tomllib.loads(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n",
        "[sesion]\n",
        "server = 1\n",
        '[session]\ntimeot = "5m"\n',
        '[session]\ntimeout = "soon"\n',
        '[session]\ntimeout = "30 sec"\n',
        "[session]\ntimeout = true\n",
        "[session]\ntimeout = -1\n",
        '[session]\nwindow_bytes = "1MB"\n',
        "[session]\nwindow_messages = 0\n",
        "[session]\nwindow_messages = 1.5\n",
        '[server]\nquic = "8443"\n',
        '[server]\ntransport = "quin"\n',
        '[upstream]\nhello = "127.0.0.1:9001"\n',
        '[upstream]\nhello = ["nowhere"]\n',
        '[upstream]\nejection = "maybe"\n',
        '[control]\nopen_to_network = ["quic"]\n',
        "[routing]\nzone_ranges = [[1, 2]]\n",
        "[routing.exact]\nhello = 3\n",
        "[overload]\nmemory_stages = [0.5]\n",
        '[tls]\ncert = ""\n',
    ],
)
def test_bad_files_do_not(write: Callable[[str], Path], text: str) -> None:
    with pytest.raises(ConfigError):
        load(write(text))
    assert problems(tomllib.loads(text))
