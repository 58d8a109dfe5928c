"""The command as a real process: run to its end, or running until it is told to stop."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quicgw_fast.cli import main

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping

SOURCE = Path(__file__).resolve().parents[2] / "python"
FREE = "127.0.0.1:0"
FREE_PORTS = ("--quic", FREE, "--grpc", FREE, "--admin", FREE)
ADDRESS = r"127\.0\.0\.1:[1-9][0-9]*"
READY = re.compile(rf"ready quic=({ADDRESS}) grpc=({ADDRESS}) admin=({ADDRESS})\n")
PATIENCE = 30.0


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QUICGW_")}
    kept |= {name: os.environ[name] for name in ("QUICGW_BACKEND",) if name in os.environ}
    paths = [str(SOURCE), os.environ.get("PYTHONPATH", "")]
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in paths if path), "COLUMNS": "200", **(extra or {})}


def quicgw(
    *arguments: str, extra: Mapping[str, str] | None = None, data: bytes | None = None, module: str = "quicgw_fast"
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environment(extra),
        input=data or b"",
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return subprocess.CompletedProcess(arguments, done.returncode, done.stdout.decode(), done.stderr.decode())


def in_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end in this process, which is quicker, and the same but for how processes begin."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as exited:
            assert isinstance(exited.code, int)
            return subprocess.CompletedProcess(arguments, exited.code, out.getvalue(), err.getvalue())


class Running:
    """A command that goes on until it is told to stop. After the ``with`` block it is surely dead."""

    def __init__(self, *arguments: str, extra: Mapping[str, str] | None = None) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self.process = subprocess.Popen(
            [sys.executable, "-m", "quicgw_fast", *arguments],
            env=environment(extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()

    @property
    def errors(self) -> str:
        """What it has written to standard error so far."""
        size = os.fstat(self._errors.fileno()).st_size
        return os.pread(self._errors.fileno(), size, 0).decode()

    def log(self, event: str) -> dict[str, Any]:
        """Return the first log line of this event."""
        entries = (json.loads(line) for line in self.errors.splitlines() if line.startswith("{"))
        return next(entry for entry in entries if entry["event"].startswith(event))

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> tuple[int, str]:
        """Wait for the end; return the exit status and what it wrote to standard output after the first line."""
        assert self.process.stdout is not None
        rest = self.process.stdout.read()
        return self.process.wait(PATIENCE), rest

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for _attempt in range(2):  # the second signal ends it at once, and still tidies up
                self.process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(5)
                    break
        finally:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()


class Gateway(Running):
    """``quicgw dev`` or ``quicgw serve`` on free ports, ready for clients."""

    def __init__(self, *arguments: str, extra: Mapping[str, str] | None = None) -> None:
        super().__init__(*arguments, *FREE_PORTS, extra=extra)
        match = READY.fullmatch(self.first_line)
        assert match, f"no ready line: {self.first_line!r}\n{self.errors}"
        self.quic, self.grpc, self.admin = match.groups()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stats(gateway: Gateway) -> Any:
    with urllib.request.urlopen(f"http://{gateway.admin}/stats", timeout=20) as answer:
        return json.load(answer)


def assert_one_sentence(done: subprocess.CompletedProcess[str], *fragments: str) -> None:
    """A start-up failure: status 3, nothing on standard output, one line that says it all."""
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, done.stderr
    assert re.match(r"quicgw: (?![A-Z][a-z])", lines[0])
    for fragment in fragments:
        assert fragment in lines[0]
