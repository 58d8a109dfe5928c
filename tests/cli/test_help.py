from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cli import main
from quicgw_fast.cli.app import command_line
from quicgw_fast.cli.promised import WIDEST
from tests.cli.process import environment, in_process, quicgw

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.cli.promised import PromisedCommand

PROMISED = tuple(command_line().commands.values())
NAMES = [command.name or "" for command in PROMISED]
COMMANDS = (
    (),
    *((name,) for name in NAMES if name not in ("push", "group")),
    ("push", "unicast"),
    ("push", "broadcast"),
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
    "quicgw_fast.config",
    "quicgw_fast.observe",
    "asyncio",
    "rich",
    "structlog",
    "prompt_toolkit",
    "importlib.metadata",
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


def help_and_modules(*arguments: str) -> tuple[str, list[str]]:
    """What is shown, and what had to be loaded for it."""
    program = (
        "import sys, quicgw_fast.cli\n"
        f"try: quicgw_fast.cli.main({[*arguments, '--help']!r})\n"
        "except SystemExit: print('\\nloaded', *sorted(sys.modules), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    )
    shown, _, loaded = done.stdout.partition("\nloaded\n")
    return shown, loaded.split()


def test_help_loads_nothing_heavy_and_no_command() -> None:
    """What keeps it quick; how long it takes depends on who else is at work on this machine."""
    shown, modules = help_and_modules()
    assert all(re.search(rf"^  {name} ", shown, re.MULTILINE) for name in NAMES)
    assert "typer" in modules
    assert not [name for name in NOT_FOR_HELP if name in modules]
    assert not [name for name in NAMES if f"quicgw_fast.cli.{name}" in modules]


@pytest.mark.parametrize("command", ["serve", "call", "push"])
def test_help_of_a_command_loads_nothing_of_what_it_does(command: str) -> None:
    shown, modules = help_and_modules(command)
    assert f"Usage: quicgw {command}" in shown
    # Pydantic, by which typer reads the values of options, looks for its plug-ins.
    allowed = {"pydantic", "importlib.metadata"}
    assert not [name for name in NOT_FOR_HELP if name in modules and name not in allowed]


def test_help_of_a_group_has_what_each_does_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status("push", "--help") == 0
    said = " ".join(capsys.readouterr().out.partition("Commands:")[2].split())
    for command in ("unicast", "batch", "broadcast"):
        assert f"{command} Push" in said
    assert "..." not in said


@pytest.mark.parametrize("command", PROMISED, ids=NAMES)
def test_a_command_says_of_itself_what_the_list_says_of_it(command: PromisedCommand) -> None:
    """Two places, as the list must not import the command."""
    kept = command.keep(WIDEST)
    assert kept.name == command.name
    assert (kept.help or "").split("\n\n")[0] == command.help


EXAMPLES = (
    [line for command in PROMISED for line in command.lines]
    + [
        line.strip()
        for command in PROMISED
        if command.name in ("push", "group")
        for one in command.keep(WIDEST).commands.values()  # type: ignore[attr-defined]
        for line in one.epilog.splitlines()[1:]
    ]
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_can_be_typed(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is understood; what they do is tested with the commands."""
    monkeypatch.setattr("typer.core.TyperCommand.invoke", lambda _command, context: context.exit(0))
    words = shlex.split(example[example.index("quicgw ") :].partition(" > ")[0])
    assert exit_status(*words[1:]) == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_told_how_to_complete(shell: str) -> None:
    done = quicgw("--show-completion", shell)
    assert done.returncode == 0, done.stderr
    assert "_QUICGW_COMPLETE" in done.stdout


def completed(line: str, shell: str = "bash") -> list[str]:
    """What a shell is told when Tab is pressed at the end of the line."""
    asked = {"_QUICGW_COMPLETE": f"complete_{shell}", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    fish = {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    return quicgw(extra={**asked, **fish}).stdout.split()


def test_a_shell_completes_commands_and_options() -> None:
    assert completed("quicgw ki") == ["kick"]
    assert set(completed("quicgw kick --")) >= {"--reason", "--admin", "--help"}
    assert completed("quicgw push u") == ["unicast"]
    assert completed("quicgw ki", "fish")[0] == "kick"


def test_a_shell_completes_actions_that_were_called_from_the_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert completed("quicgw call h") == ["hello"]
    (tmp_path / "quicgw").mkdir()
    (tmp_path / "quicgw" / "repl_history").write_text("\n# now\n+call heal a=1\n+ping\n+call\n+call echo\n")
    assert completed("quicgw call he") == ["heal", "hello"]


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
