"""One table of exit statuses for every command, and what is said with them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cli.promised import WIDEST
from quicgw_fast.cli.statuses import Status
from tests.cli.process import PATIENCE, Gateway, environment, in_process, quicgw, stats, until

if TYPE_CHECKING:
    from collections.abc import Callable

CALL = [sys.executable, "-X", "dev", "-m", "quicgw_fast", "call", "--insecure"]
CODES = Path(__file__).parents[2] / "docs/reference/codes.md"


def shell(line: str, *arguments: str, data: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which ``quicgw`` is the command and ``$1`` … are arguments."""
    script = f'quicgw() {{ {sys.executable} -m quicgw_fast "$@"; }}\n{line}'
    return subprocess.run(
        ["/bin/bash", "-c", script, "bash", *arguments],
        env=environment(),
        stdin=data,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_reference_has_the_table() -> None:
    _, _, section = CODES.read_text(encoding="utf-8").partition("## Exit statuses")
    ours, _, _ = section.partition("quicgw check`, as")
    told = {int(number) for number in re.findall(r"^\| (\d+) \|", ours, re.MULTILINE)}
    assert told == set(Status)


@pytest.mark.parametrize(
    "line",
    ["--help", "call --help", "gentoken alice --key KEY", "--version", "call echo -k -s $1", "push broadcast -g $2"],
)
def test_output_that_cannot_be_written(dev: Gateway, line: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 32)
    line = line.replace("KEY", str(tmp_path / "key"))
    full = shell(f"quicgw {line} >/dev/full", dev.quic, dev.grpc)
    assert full.returncode == Status.UNWRITTEN
    assert full.stderr == (
        "quicgw: cannot write to standard output: No space left on device; give it another place to write to\n"
    )
    closed = shell(f"quicgw {line} >&-", dev.quic, dev.grpc)
    assert closed.returncode == Status.UNWRITTEN
    assert "it is closed" in closed.stderr
    gone = shell(f"quicgw {line} | true; exit ${{PIPESTATUS[0]}}", dev.quic, dev.grpc)
    assert (gone.returncode, gone.stderr) == (Status.READER_GONE, "")


@pytest.mark.parametrize(
    "line",
    [
        "call echo -d @{missing}",
        "call echo -d @{folder}",
        "call echo -k -d @/dev/zero",
        "call echo -k -d @{pipe}",
        "push batch {pipe}",
        "push batch /dev/tty",
        "push batch {folder}",
        "push batch {missing}",
        "push unicast --to openid:a -d @{pipe}",
        "bench -k --compare {pipe}",
        "gentoken alice --key {pipe}",
        "call echo --ca {missing} -s 127.0.0.1:1",
        "push broadcast -d @{missing}",
        "call echo --ca /dev/zero -s 127.0.0.1:1",
        "serve --config /dev/zero",
        "serve --config {missing}",
        "serve --config {folder}",
        "dev --config {missing}",
        "gentoken alice --key {missing}",
        "gentoken alice --key {folder}",
    ],
)
def test_a_file_that_cannot_be_read_is_one_status_everywhere(line: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = in_process(*line.format(missing=tmp_path / "missing", folder=tmp_path, pipe=tmp_path / "pipe").split())
    assert done.returncode == Status.FAILED
    assert done.stdout == ""
    assert done.stderr.startswith("quicgw: ")
    assert done.stderr.count("\n") == 1
    assert "Errno" not in done.stderr
    assert ("{pipe}" in line) == ("it is a named pipe" in done.stderr)


def test_standard_input_that_is_closed() -> None:
    done = shell("quicgw call echo -k -d @- <&-")
    assert done.returncode == Status.FAILED
    assert done.stderr == "quicgw: --data: standard input is closed; give the data another way\n"


@pytest.mark.parametrize(
    "command", ["call echo -k -s ADDRESS", "push broadcast -g ADDRESS", "push unicast --to openid:a -g ADDRESS"]
)
def test_what_cannot_connect_is_an_object_too(command: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    done = in_process(*command.replace("ADDRESS", address).split(), "--json")
    assert (done.returncode, done.stderr) == (Status.FAILED, "")
    told = json.loads(done.stdout)
    assert (told["kind"], told["code"], told["status"]) == ("error", 0, Status.FAILED)
    assert address in told["message"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_call_that_is_interrupted_says_nothing(dev: Gateway, number: signal.Signals, status: int) -> None:
    command = [
        sys.executable,
        "-m",
        "quicgw_fast",
        "call",
        "before",
        "-p",
        "count=1",
        "-w",
        "20s",
        "-k",
        "-s",
        dev.quic,
    ]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("notify 2")
        started = time.monotonic()
        process.send_signal(number)
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(PATIENCE) == status
        assert time.monotonic() - started < 15, "not the 20 s that it would wait"


def test_interrupting_a_call_that_has_no_answer_yet(dev: Gateway) -> None:
    """The future of the answer is not waited for any more, and nobody complains about that."""
    command = [*CALL, "sleep", "-p", "ms=20000", "--server", dev.quic]
    before = _counter(dev, "requests")
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until(lambda: _counter(dev, "requests") == before + 2)  # hello and sleep
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == Status.INTERRUPTED
    assert out == b""
    assert b"never retrieved" not in err
    assert b"Traceback" not in err


def _counter(dev: Gateway, name: str) -> int:
    count = stats(dev)["counters"][name]
    assert isinstance(count, int)
    return count


def test_a_fault_of_the_program_is_none_of_the_other_statuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise ZeroDivisionError

    monkeypatch.setattr("quicgw_fast.cli.version.version_line", broken)
    done = in_process("--version")
    assert done.returncode == Status.BUG
    assert "ZeroDivisionError" in done.stderr
    assert "fault of the program" in done.stderr


def interrupt() -> str:
    signal.raise_signal(signal.SIGINT)
    return "never said"


def interrupt_in_a_destructor() -> str:
    class Ending:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    Ending()
    return "quicgw 1.0"


@pytest.mark.parametrize(
    ("place", "comes"),
    [
        ("quicgw_fast.cli.version.version_line", interrupt),  # in the command
        ("quicgw_fast.cli.version.version_line", interrupt_in_a_destructor),  # which can raise nothing
        ("quicgw_fast.cli.app.command_line", interrupt),  # before it
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_outside_of_the_event_loop_ends_a_command_wherever_it_comes(
    monkeypatch: pytest.MonkeyPatch, place: str, comes: Callable[..., str]
) -> None:
    monkeypatch.setattr(place, comes)
    done = in_process("--version")
    assert done.returncode == Status.INTERRUPTED
    assert "Traceback" not in done.stderr


def test_help_fits_a_narrow_terminal() -> None:
    for command in ((), ("serve",), ("call",), ("push", "unicast"), ("gentoken",)):
        done = quicgw(*command, "--help", extra={"COLUMNS": "40"})
        assert done.returncode == 0
        prose, _, examples = done.stdout.partition("Examples:")
        assert max(map(len, prose.splitlines())) <= 40
        assert "…" not in prose.replace("QUICGW_…", "").replace("001…006", "")
        assert examples.count("\n") >= 2
    wide = quicgw("call", "--help", extra={"COLUMNS": "400"}).stdout
    assert 80 < max(map(len, wide.splitlines())) <= WIDEST + 1, "lines that can be read"


def test_what_a_terminal_cannot_show_is_escaped(dev: Gateway) -> None:
    extra = {"PYTHONIOENCODING": "ascii"}
    done = quicgw("call", "echo", "--data", "grüße", "-k", "-s", dev.quic, extra=extra)
    assert (done.returncode, done.stdout) == (0, "reply 2 200 ok\ngr\\xfc\\xdfe\n")


def test_a_reader_that_does_not_read_does_not_keep_a_call_from_being_interrupted(dev: Gateway) -> None:
    """Nor does it keep the connection from being served meanwhile."""
    command = [*CALL, "echo", "--data", "x" * 100_000, "--wait", "0", "--server", dev.quic]
    before = _counter(dev, "stops")
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until(lambda: _counter(dev, "stops") > before)  # the call is over, its output is not
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == Status.INTERRUPTED
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
