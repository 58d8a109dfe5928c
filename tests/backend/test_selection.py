"""Which maker runs, and what happens when it cannot."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

from quicgw_fast import backend
from quicgw_fast.errors import ConfigError, StartupError

PRINT_NAME = "from quicgw_fast import backend; print(backend.NAME, backend.Outbox.__module__)"
# What an import finds when the extension was never built.
WITHOUT_EXTENSION = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
hide = lambda cls, name, *rest: None if name == "quicgw_fast._core" else find(name, *rest)
PathFinder.find_spec = classmethod(hide)
"""


def run(code: str, wanted: str | None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != backend.VARIABLE}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    if wanted is not None:
        environment[backend.VARIABLE] = wanted
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("wanted", "printed"),
    [
        (None, "rust quicgw_fast._core"),
        ("auto", "rust quicgw_fast._core"),
        ("rust", "rust quicgw_fast._core"),
        ("python", "python quicgw_fast.backend.python.outbox"),
    ],
)
def test_the_environment_chooses(wanted: str | None, printed: str) -> None:
    assert run(PRINT_NAME, wanted).stdout.strip() == printed


@pytest.mark.parametrize("wanted", ["", "Rust", "pypy"])
def test_an_unknown_value_is_an_error(wanted: str) -> None:
    result = run(PRINT_NAME, wanted)
    assert result.returncode == 1
    assert "ConfigError: QUICGW_BACKEND is" in result.stderr
    with pytest.raises(ConfigError):
        backend.choose(wanted)


def test_rust_fails_loudly_when_it_is_not_there() -> None:
    result = run(WITHOUT_EXTENSION + PRINT_NAME, "rust")
    assert result.returncode == 1
    assert "StartupError: the rust engine cannot be imported" in result.stderr
    assert "maturin develop --release" in result.stderr


def test_auto_falls_back_only_when_the_extension_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(WITHOUT_EXTENSION + PRINT_NAME, "auto")
    assert result.stdout.startswith("python "), result.stderr

    def broken(name: str) -> None:
        raise ImportError("undefined symbol")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(StartupError, match="undefined symbol"):
        backend.choose("auto")


@pytest.mark.parametrize("name", ["rust", "python"])
def test_load_gives_either_maker(name: str) -> None:
    assert name == backend.load(name).NAME
