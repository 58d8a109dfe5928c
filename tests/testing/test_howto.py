"""The page about tests, as somebody would follow it: an empty folder, an installed package, its files."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.slim.packages import ROOT
from tests.testing.installed import full_environment, run_there

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "howto" / "testing.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"[Ii]n `(\w+\.py)`[^\n]*:\n\n```python\n(.*?)```", PAGE, re.DOTALL))
TESTS = [name for name in FILES if name.startswith("test_")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_the_page_has_its_files() -> None:
    assert PAGE.count("```python") == len(FILES) == 6


def test_all_tests_of_the_page_pass(tmp_path: Path, folder: Path) -> None:
    python = full_environment(tmp_path / "env")
    # With every warning an error, but for one of pytest-asyncio, about its own settings.
    warnings = ["-W", "error", "-W", "default::pytest.PytestDeprecationWarning"]
    done = run_there(python, folder, "-m", "pytest", "-q", *warnings, *TESTS)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = sum(text.count("def test_") for text in FILES.values())
    assert f"{counted} passed" in done.stdout


def test_it_goes_without_pytest(tmp_path: Path, folder: Path) -> None:
    done = run_there(full_environment(tmp_path / "env"), folder, "-W", "error", "plain.py")
    assert (done.returncode, done.stdout) == (0, "b'hi'\n"), done.stderr


def test_without_the_extra_it_says_what_is_missing() -> None:
    code = (
        "import sys\n"
        "sys.modules['grpc'] = None\n"
        "try: import quicgw_fast.testing\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.endswith('pip install "quicgw-fast[server]"\n'), done.stdout + done.stderr
