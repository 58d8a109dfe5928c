from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.config import Config, load
from quicgw_fast.config.catalogue import ESSENTIAL, settings
from quicgw_fast.config.schema import ADDRESS
from tests.cli.process import assert_one_sentence, in_process
from tests.support.drawing import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FORMS = pytest.mark.parametrize("form", [(), ("--minimal",)], ids=["all", "minimal"])
_KEY = re.compile(r"# (?=[a-z_]+ = )")


def uncommented(text: str) -> dict[str, Any]:
    return tomllib.loads("\n".join(_KEY.sub("", line) for line in text.splitlines()))


@FORMS
def test_what_it_writes_is_good_and_means_the_defaults(tmp_path: Path, form: tuple[str, ...]) -> None:
    file = tmp_path / "gateway.toml"
    made = in_process("genconfig", "--output", str(file), *form)
    assert made.returncode == 0
    assert f"quicgw checkconfig {file}" in made.stderr
    assert in_process("genconfig", *form).stdout == file.read_text(encoding="utf-8")
    assert load(file) == Config()
    checked = in_process("checkconfig", str(file))
    assert checked.returncode == 0, checked.stdout
    assert "error" not in checked.stdout


@FORMS
def test_every_key_is_in_it_with_what_can_be_written(form: tuple[str, ...]) -> None:
    text = in_process("genconfig", *form).stdout
    assert text.startswith(f"#:schema {ADDRESS}\n")
    assert max(map(len, text.splitlines())) <= 150
    written = {f"{table}.{key}": value for table, keys in uncommented(text).items() for key, value in keys.items()}
    assert set(written) == set(ESSENTIAL if form else settings())
    assert {key: settings()[key].example for key in written} == written


def test_nothing_is_overwritten_unless_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text("mine", encoding="utf-8")
    assert_one_sentence(in_process("genconfig", "--output", str(file)), str(file), "--force")
    assert file.read_text(encoding="utf-8") == "mine"
    assert in_process("genconfig", "--output", str(file), "--force").returncode == 0
    assert load(file) == Config()


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    assert_one_sentence(in_process("genconfig", "--output", str(tmp_path)), "is there already", str(tmp_path))
    assert_one_sentence(in_process("genconfig", "--output", str(tmp_path / "x" / "y")), "cannot write", "--output")


def test_the_commands_of_the_reference_work_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    commands = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `quicgw ")]
    assert len(commands) == 4
    monkeypatch.chdir(tmp_path)
    for command in commands:
        done = in_process(*command.split()[1:])
        assert done.returncode == 0, (command, done.stderr)
