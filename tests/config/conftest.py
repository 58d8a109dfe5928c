"""Configurations to read: files of a test's own, and an environment that says nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.config import load
from quicgw_fast.errors import ConfigError, StartupError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("QUICGW_"):
            monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "gateway.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problem(path: Path | None = None, overrides: dict[str, dict[str, Any]] | None = None) -> str:
    """The one sentence that says what is wrong."""
    with pytest.raises(ConfigError) as caught:
        load(path, overrides)
    assert isinstance(caught.value, StartupError)
    assert "\n" not in str(caught.value)
    return str(caught.value)
