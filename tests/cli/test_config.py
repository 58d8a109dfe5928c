from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.config import effective_report, load
from quicgw_fast.config.catalogue import settings
from quicgw_fast.config.schema import json_schema
from tests.cli.process import assert_one_sentence, in_process

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text("[session]\ntimeout = '300s'\nwindow_bytes = 2048\n[routing.exact]\n'a b' = 'hello'\n")
    return path


@pytest.mark.parametrize("way", [("config",), ("config", "--show"), ("config", "show")])
def test_every_value_is_shown_with_where_it_comes_from(
    file: Path, way: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUICGW_LIMITS__IN_FLIGHT", "3")
    shown = in_process(*way, "--config", str(file), "--quic", "127.0.0.1:0").stdout
    lines = [line.split("#") for line in shown.splitlines() if " = " in line or line.startswith("#")]
    assert len(lines) == len(settings())
    origins = {parts[0].strip(): parts[1].strip() for parts in lines if parts[0].strip()}
    assert origins['quic = "127.0.0.1:0"'] == "flag"
    assert origins['timeout = "5m"'] == f"{file}:2"
    assert origins["in_flight = 3"] == "QUICGW_LIMITS__IN_FLIGHT"
    assert origins['level = "info"'] == "default"
    assert "# cert " in shown


def test_what_is_shown_is_a_configuration_that_means_the_same(file: Path, tmp_path: Path) -> None:
    for flags in ((), ("--changed",)):
        again = tmp_path / "again.toml"
        again.write_text(in_process("config", "--config", str(file), *flags).stdout, encoding="utf-8")
        assert load(again) == load(file)


def test_only_what_is_not_the_default(file: Path) -> None:
    shown = in_process("config", "--changed", "--fast", "--config", str(file)).stdout
    assert tomllib.loads(shown) == {
        "server": {"transport": "quinn"},
        "upstream": {"client": "native"},
        "session": {"window_bytes": "2KiB"},
        "routing": {"exact": {"a b": "hello"}},
    }
    assert in_process("config", "--changed").stdout == "# every key has its default\n"


def test_the_same_for_programs(file: Path) -> None:
    for flags, changed in (((), False), (("--changed",), True)):
        shown = json.loads(in_process("config", "--json", "--config", str(file), *flags).stdout)
        assert shown == effective_report(load(file), changed=changed)


@pytest.mark.parametrize("way", ["--schema", "schema"])
def test_the_schema(way: str) -> None:
    assert json.loads(in_process("config", way).stdout) == json_schema()


def test_a_configuration_that_cannot_be_used(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[sesion]\n")
    assert_one_sentence(in_process("config", "--config", str(bad)), "sesion")
    assert in_process("config", "--config", str(bad), "--json").returncode == 3
    assert in_process("config", "--show", "--schema").returncode == 2
    assert in_process("config", "frobnicate").returncode == 2


def test_no_password_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text("[routing]\ndefault = 'x://me:hunter2@host'\n")
    for flags in ((), ("--json",)):
        shown = in_process("config", "--config", str(file), *flags).stdout
        assert "hunter2" not in shown
        assert "x://***@host" in shown
