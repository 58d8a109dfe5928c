from __future__ import annotations

import importlib
import re
import subprocess
import sys

import pytest

from quicgw_fast.cli import main
from tests.cli.process import environment, in_process, quicgw

COMMANDS = (
    (),
    ("serve",),
    ("dev",),
    ("call",),
    ("upstream",),
    ("reload",),
    ("push", "unicast"),
    ("push", "broadcast"),
    ("gentoken",),
    ("bench",),
    ("demo",),
    ("version",),
)
NOT_FOR_HELP = (
    "grpc",
    "google.protobuf",
    "aioquic",
    "cryptography",
    "pydantic",
    "uvloop",
    "starlette",
    "quicgw_fast._core",
)


def exit_status(*arguments: str) -> object:
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    return exited.value.code


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_has_help_with_examples(
    command: tuple[str, ...], flag: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert exit_status(*command, flag) == 0
    text = capsys.readouterr().out
    assert "Usage: " + " ".join(["quicgw", *command]) in text
    assert "Examples:" in text
    assert re.search(rf"quicgw {' '.join(command)}", text.split("Examples:")[1])


def test_the_help_of_call_says_what_is_sent_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert exit_status("call", "--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "hello is the login itself, which is sent again, within --connect-timeout" in text
    assert "No other request is sent again after a 503." in text


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status() == 2
    captured = capsys.readouterr()
    assert "Usage: quicgw" in captured.out + captured.err


def test_both_modules_are_the_command() -> None:
    first, second = (quicgw("--help", module=module) for module in ("quicgw_fast", "quicgw_fast.cli"))
    assert first.returncode == second.returncode == 0
    assert first.stdout == second.stdout
    assert "\x1b" not in first.stdout


def test_a_tool_that_imports_every_module_runs_nothing() -> None:
    for name in ("quicgw_fast.__main__", "quicgw_fast.cli.__main__"):
        assert callable(importlib.import_module(name).main)


def test_help_loads_nothing_heavy() -> None:
    program = "import sys, quicgw_fast.cli.app\nprint(*sorted(sys.modules), sep='\\n')"
    loaded = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    ).stdout.split()
    assert "typer" in loaded
    assert not [name for name in NOT_FOR_HELP if name in loaded]


@pytest.mark.parametrize(
    ("fast", "parts"),
    [("0", "transport aioquic, upstream client grpcio"), ("1", "transport quinn, upstream client native")],
)
@pytest.mark.parametrize("asked", ["version", "--version"])
def test_version_names_what_runs(fast: str, parts: str, asked: str) -> None:
    done = quicgw(asked, extra={"QUICGW_BACKEND": "python", "QUICGW_FAST": fast})
    assert done.returncode == 0
    assert re.fullmatch(rf"quicgw .+, engine python, {parts}, Python 3\.\d+\.\d+\S*\n", done.stdout)


def test_a_version_that_was_never_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quicgw_fast.cli.version.DISTRIBUTION", "quicgw-that-nobody-installed")
    assert in_process("--version").stdout.startswith("quicgw (not installed), engine ")


def test_version_with_a_part_that_was_not_built_fails_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "quicgw_fast.transport.quinn", None)
    monkeypatch.setenv("QUICGW_FAST", "1")
    done = in_process("version")
    assert done.returncode == 3
    assert "the transport quinn cannot be imported" in done.stderr


def test_version_with_an_unknown_engine_fails_with_a_sentence() -> None:
    done = quicgw("--version", extra={"QUICGW_BACKEND": "cobol"})
    assert done.returncode == 3
    assert done.stderr == "quicgw: QUICGW_BACKEND is 'cobol', but must be auto, rust or python\n"
