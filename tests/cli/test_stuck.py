"""Readers that do not read, descriptors that are not there, loops that hang: nothing of it holds up a gateway."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.cli.running import SAME_SIGNAL
from quicgw_fast.client import connect
from tests.cli.process import FREE_PORTS, PATIENCE, READY, environment
from tests.support import raw_client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from quicgw_fast.client import Client

PIPE = 64 << 10
"""What a pipe takes before it holds up who writes."""


@contextmanager
def dev(stderr: int, *, stdout: int = subprocess.PIPE, **extra: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``quicgw dev`` with these descriptors; it is surely dead afterwards."""
    command = [sys.executable, "-m", "quicgw_fast", "dev", *FREE_PORTS]
    process = subprocess.Popen(
        command, env=environment(extra), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def addresses(process: subprocess.Popen[str]) -> tuple[str, str, str]:
    assert process.stdout is not None
    match = READY.fullmatch(process.stdout.readline())
    assert match
    quic, grpc, admin = match.groups()
    return quic, grpc, admin


def page(admin: str, name: str) -> Any:
    with urllib.request.urlopen(f"http://{admin}/{name}", timeout=5) as answer:
        return answer.read()


async def log_more_than_a_pipe_takes(quic: str, admin: str) -> None:
    """Reconnect until the gateway says that log lines were dropped."""
    host, _, port = quic.rpartition(":")
    deadline = time.monotonic() + 20
    number = 0
    while json.loads(page(admin, "stats"))["log_lines_dropped"] == 0:
        assert time.monotonic() < deadline
        for _ in range(10):
            number += 1
            client = await raw_client.connect(host, int(port))
            await client.start(f"guest-{number}")
            await client.close()


async def test_a_log_that_nobody_reads_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    try:
        with dev(writing, QUICGW_LOG__LEVEL="debug", QUICGW_TEST_LOG_LIMIT="1") as process:
            os.close(writing)
            quic, _, admin = addresses(process)
            async with connect(quic, openid="alice", insecure=True, heartbeat=0.1, timeout=5) as client:
                await make_noise(client, reading)
                before = client.stats.heartbeats
                assert (await client.call("echo", data=b"still there")).data == b"still there"
                assert page(admin, "healthz")
                async with connect(quic, openid="bob", insecure=True, connect_timeout=5) as other:
                    assert (await other.call("echo")).code == 200
                await client.call("sleep", params={"ms": "300"})
                assert client.stats.heartbeats > before
                assert client.stats.connects == 1
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
            assert time.monotonic() - started < 10
    finally:
        os.close(reading)


async def make_noise(client: Client, reading: int) -> None:
    """Have the gateway log until the pipe is full, and then as much again."""
