"""One word for all compiled parts, and what is stronger than it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.compiled import PARTS
from quicgw_fast.config import read
from quicgw_fast.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("value", "transport"), [("1", "quinn"), ("0", "aioquic"), ("", "aioquic")])
def test_the_variable_chooses_the_compiled_parts(monkeypatch: pytest.MonkeyPatch, value: str, transport: str) -> None:
    monkeypatch.setenv("QUICGW_FAST", value)
    assert read().server.transport == transport


def test_the_plain_parts_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUICGW_FAST", raising=False)
    assert read().server.transport == "aioquic"


def test_it_is_stronger_than_the_file_and_weaker_than_what_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[server]\ntransport = "aioquic"\n')
    monkeypatch.setenv("QUICGW_FAST", "1")
    assert read(file).server.transport == "quinn"
    monkeypatch.setenv("QUICGW_SERVER__TRANSPORT", "aioquic")
    assert read(file).server.transport == "aioquic"
    assert read(file, PARTS).server.transport == "quinn", "a flag is the strongest"


def test_another_value_is_an_error_that_says_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICGW_FAST", "yes")
    with pytest.raises(ConfigError, match="QUICGW_FAST is 'yes'; write 1"):
        read()


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_it_hides_no_mistake_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[server]\ntransport = "quin"\n')
    if how == "variable":
        monkeypatch.setenv("QUICGW_FAST", "1")
    with pytest.raises(
        ConfigError, match=rf"server\.transport: must be .*, not 'quin'; did you mean quinn\? \(in {file}:\d\)"
    ):
        read(file, PARTS if how == "flag" else None)
