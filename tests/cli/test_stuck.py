"""Readers that do not read, descriptors that are not there, loops that hang: nothing of it holds up a gateway."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.cli.event_loop import SAME_SIGNAL
from quicgw_fast.client import connect
from tests.cli.process import FREE_PORTS, PATIENCE, READY, environment, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEV = [sys.executable, "-m", "quicgw_fast", "dev", *FREE_PORTS]


@pytest.fixture
def full_pipe() -> Iterator[tuple[int, int]]:
    """A pipe, small and full: whoever writes more into it waits."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writing, b"x" * 512)
    os.set_blocking(writing, True)
    yield reading, writing
    os.close(reading)
    os.close(writing)


@contextmanager
def running(command: list[str], **streams: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a command; it is surely dead afterwards."""
    with subprocess.Popen(command, env=environment(), text=True, **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def addresses(process: subprocess.Popen[str]) -> tuple[str, str, str]:
    assert process.stdout is not None
    match = READY.fullmatch(process.stdout.readline())
    assert match
    quic, grpc, admin = match.groups()
    return quic, grpc, admin


def status_of(admin: str, page: str) -> int:
    with urllib.request.urlopen(f"http://{admin}/{page}", timeout=5) as answer:
        status = answer.status
    assert isinstance(status, int)
    return status


async def test_a_log_that_nobody_reads_holds_up_nothing(full_pipe: tuple[int, int]) -> None:
    reading, writing = full_pipe
    with running(DEV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=writing) as process:
        quic, _, admin = addresses(process)
        async with connect(quic, openid="alice", insecure=True, heartbeat=0.1, max_missed=50, timeout=10) as client:
            for number in range(5):
                async with connect(quic, openid=f"guest-{number}", insecure=True) as other:
                    assert (await other.call("echo")).code == 200
            before = client.stats.heartbeats
            await client.call("sleep", params={"ms": "400"})
            assert client.stats.heartbeats > before
            assert client.stats.connects == 1
            assert await asyncio.to_thread(status_of, admin, "healthz") == 200
            assert await asyncio.to_thread(status_of, admin, "stats") == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    os.set_blocking(reading, False)
    assert set(os.read(reading, 1 << 16)) == {ord("x")}, "the pipe was full all the time"


async def test_when_the_log_is_read_again_it_goes_on(full_pipe: tuple[int, int]) -> None:
    reading, writing = full_pipe
    with running(DEV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=writing) as process:
        addresses(process)
        said = b""
        while b"gateway started" not in said:
            said += os.read(reading, 1 << 16)
        process.send_signal(signal.SIGTERM)
        while b"gateway stopped" not in said:
            said += os.read(reading, 1 << 16)
        assert process.wait(PATIENCE) == 0


def test_a_ready_line_that_nobody_reads_holds_up_nothing(full_pipe: tuple[int, int], tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    with errors.open("wb") as file, running(DEV, stdin=subprocess.DEVNULL, stdout=full_pipe[1], stderr=file) as process:
        until(lambda: "nobody reads standard output" in errors.read_text())
        started = [json.loads(line) for line in errors.read_text().splitlines() if "gateway started" in line]
        assert status_of(started[0]["admin"], "healthz") == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize(("closed", "status"), [("0<&-", 0), ("1>&-", 3), ("2>&-", 0), ("0<&- 2>&-", 0)])
def test_a_gateway_started_without_a_standard_descriptor(closed: str, status: int, tmp_path: Path) -> None:
    """It works, or it says why not; before, the next socket got that number."""
    command = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *DEV]
    errors = tmp_path / "errors"
    with (
        errors.open("wb") as file,
        running(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        if status == 0:
            assert READY.fullmatch(line)
            process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == status
    if status:
        assert "quicgw: cannot write to standard output: it is closed; it must stay open\n" in errors.read_text()
    elif "2>" in closed:
        assert errors.read_text() == ""


HANGING = """
import sys, time
from quicgw_fast.cli.event_loop import Signals, run

async def hang():
    with Signals() as signals:
        print("hanging", flush=True)
        while True:
            time.sleep(0.01)

run(hang())
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_a_process_whose_loop_hangs(
    number: signal.Signals, status: int, full_pipe: tuple[int, int]
) -> None:
    with running([sys.executable, "-c", HANGING], stdout=subprocess.PIPE, stderr=full_pipe[1]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n"
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2 * SAME_SIGNAL)
        process.send_signal(number)
        assert process.wait(PATIENCE) == status


def test_a_signal_that_is_delivered_twice_is_one() -> None:
    """As timeout(1) does, which signals its child and then its group."""
    with running(DEV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        addresses(process)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_a_killed_dev_leaves_no_private_key(tmp_path: Path) -> None:
    with subprocess.Popen(
        DEV,
        env=environment({"TMPDIR": str(tmp_path)}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        addresses(process)
        process.kill()
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in left] == ["dev-cert.pem"]
    assert "PRIVATE" not in left[0].read_text()


def test_the_next_dev_removes_what_a_killed_one_left_and_nothing_else(tmp_path: Path) -> None:
    def folders() -> set[Path]:
        return {path for path in tmp_path.iterdir() if path.name.startswith("quicgw-dev-")}

    def running() -> subprocess.Popen[str]:
        kept = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(DEV, env=environment({"TMPDIR": str(tmp_path)}), text=True, **kept)  # type: ignore[call-overload,no-any-return]

    (tmp_path / "quicgw-dev-file").touch()
    with running() as killed:
        addresses(killed)
        (leftover,) = (path for path in folders() if path.is_dir())
        with running() as other:
            addresses(other)
            assert leftover.exists(), "its process lives"
            of_other = folders() - {leftover}
            killed.kill()
            killed.wait(PATIENCE)
            with running() as following:
                addresses(following)
                assert not leftover.exists()
                assert of_other < folders()
                following.terminate()
                assert following.wait(PATIENCE) == 0
            other.terminate()
            assert other.wait(PATIENCE) == 0
    assert [path.name for path in folders()] == ["quicgw-dev-file"]
