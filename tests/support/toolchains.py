"""Programs in Go and TypeScript, for which much is fetched and compiled: their tests are in ``make`` targets of their
own, and skipped elsewhere, as where their tools and packages cannot be had."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".venv"
"""What tools keep for the next time is in there, as everything else that is not in the repository."""
GO = {
    "GOPATH": str(KEPT / "go"),
    "GOCACHE": str(KEPT / "go" / "cache"),
    "GOBIN": str(KEPT / "go" / "bin"),
    "GOFLAGS": "-modcacherw -buildvcs=false",
}
NPM = {"npm_config_cache": str(KEPT / "npm"), "npm_config_update_notifier": "false"}
FETCHING = 180.0
"""Seconds for packages to come; what takes longer cannot be had quickly."""
BUILDING = 400.0
ASKED = frozenset(os.environ.get("TEST_LANGUAGES", "").split())
"""The languages whose tests are to run."""


def ran(command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float = BUILDING) -> str:
    """Run a command that must succeed, and return its output."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, timeout=timeout, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def fetched(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a command that brings packages; skip the test, with the reason, where they cannot be had."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    try:
        ran(command, folder, environment, FETCHING)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"the packages cannot be had: {error}")


def only_if_asked(language: str) -> None:
    """Skip the test where nobody asked for the language."""
    if language not in ASKED:
        pytest.skip(f"fetches and compiles: make test-{language}")


def go_packages(folder: Path) -> Path:
    """Copy ``examples/go-service`` into a folder, with the modules at hand; skips the test where they cannot be had."""
    only_if_asked("go")
    source = Path(shutil.copytree(ROOT / "examples" / "go-service", folder / "go-service"))
    fetched(["go", "mod", "download"], source, GO)
    return source


def npm_packages(folder: Path) -> Path:
    """Copy ``examples/typescript-service`` into a folder, with its packages; skips where they cannot be had."""
    only_if_asked("typescript")
    left_out = shutil.ignore_patterns("node_modules", "dist", "generated")
    source = Path(shutil.copytree(ROOT / "examples" / "typescript-service", folder / "ts", ignore=left_out))
    fetched(["npm", "ci", "--prefer-offline"], source, NPM)
    return source


def go_service(folder: Path) -> list[str]:
    """Build ``examples/go-service``, and return how it is run."""
    source = go_packages(folder)
    ran(["go", "vet", "./..."], source, GO)
    ran(["go", "build", "-o", "service", "."], source, GO)
    assert ran(["gofmt", "-l", "."], source, GO) == ""
    return [str(source / "service")]


def typescript_service(folder: Path) -> list[str]:
    """Build ``examples/typescript-service``, and return how it is run."""
    source = npm_packages(folder)
    ran(["npm", "run", "build"], source, NPM)
    return ["node", str(source / "dist" / "main.js")]
