"""Every example does what it says, as a process of its own against the command as it is installed."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import quicgw_fast
from quicgw_fast.config import DEFAULT_EXACT
from tests.support.gateway_process import SOURCE, GatewayProcess
from tests.support.world import write_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PATIENCE = 20.0
"""Seconds for a line, on a busy machine."""


class Example:
    """A running example, whose lines are read one by one."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        assert process.stdout is not None
        self._lines = process.stdout

    async def line(self) -> str:
        """The next line; empty when there are no more."""
        return (await asyncio.wait_for(self._lines.readline(), PATIENCE)).decode().rstrip("\n")

    async def stop(self) -> None:
        self._process.terminate()

    async def ends(self) -> tuple[list[str], int]:
        """The rest of its lines, and its exit status."""
        rest = (await asyncio.wait_for(self._lines.read(), PATIENCE)).decode().splitlines()
        return rest, await asyncio.wait_for(self._process.wait(), PATIENCE)


@contextlib.asynccontextmanager
async def run(example: str, *arguments: str, stderr: int | None = None) -> AsyncIterator[Example]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / example), *arguments,
        env={"PYTHONPATH": str(SOURCE), "GRPC_VERBOSITY": "ERROR"}, stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
    )  # fmt: skip
    try:
        yield Example(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def finished(example: str, *arguments: str) -> list[str]:
    """Run an example to its end, which must be a good one, and return its lines."""
    async with run(example, *arguments) as running:
        lines, status = await running.ends()
    assert status == 0, lines
    return lines


def at(gateway: GatewayProcess) -> str:
    return f"{gateway.ready.quic[0]}:{gateway.ready.quic[1]}"


@contextlib.asynccontextmanager
async def registered_service(folder: Path, **tables: str) -> AsyncIterator[tuple[GatewayProcess, Example]]:
    """A gateway with ``gateway.toml`` on free ports, and the service that registers itself with it."""
    cert, key = write_certificate(folder)
    free = dict.fromkeys(("QUICGW_SERVER__QUIC", "QUICGW_SERVER__GRPC", "QUICGW_SERVER__ADMIN"), "127.0.0.1:0")
    environment = {**free, "QUICGW_TLS__CERT": str(cert), "QUICGW_TLS__KEY": str(key), **tables}
    async with (
        GatewayProcess("serve", "--config", str(EXAMPLES / "gateway.toml"), environment=environment) as gateway,
        run("login_service.py", gateway.ready.grpc) as service,
    ):
        assert (await service.line()).startswith("ready 127.0.0.1:")
        yield gateway, service


@pytest.mark.parametrize("example", ["call_and_listen.py", "without_a_loop.py"])
async def test_call_and_listen_and_push(example: str) -> None:
    async with GatewayProcess.dev() as gateway, run(example, at(gateway), "alice") as client:
        assert [await client.line() for _ in range(3)] == [f"reply 200 call {n}" for n in range(3)]
        assert await finished("push.py", gateway.ready.grpc, "alice", "hello there") == ["sent"]
        assert await client.ends() == (["notify mail New mail hello there"], 0)


async def test_push_says_that_nobody_is_there() -> None:
    async with GatewayProcess.dev() as gateway, run("push.py", gateway.ready.grpc, "nobody", "hello") as push:
        lines, status = await push.ends()
        assert lines[0].startswith("TARGET_NOT_FOUND: ")
        assert status == 1


async def test_resume_after_restart(tmp_path: Path) -> None:
    ticket = str(tmp_path / "ticket.json")
    async with GatewayProcess.dev() as gateway:
        assert await finished("resume_after_restart.py", at(gateway), "alice", ticket) == [
            "started",
            "reply 200 still here",
        ]
        assert await finished("push.py", gateway.ready.grpc, "alice", "while away") == ["retained"]
        assert await finished("resume_after_restart.py", at(gateway), "alice", ticket) == [
            "resumed",
            "reply 200 still here",
            "notify mail while away",
        ]


async def test_a_service_welcomes_who_logs_in_and_leaves_in_order(tmp_path: Path) -> None:
    async with registered_service(tmp_path) as (gateway, service):
        lines = await finished("call_and_listen.py", at(gateway), "alice")
        assert lines[:3] == [f"reply 200 call {n}" for n in range(3)]
        assert lines[-1] == "notify welcome Welcome hello alice"
        await service.stop()
        _, status = await service.ends()
        assert status == 0


async def test_the_gateway_of_one_service_sends_it_every_action(tmp_path: Path) -> None:
    asked = sorted({*DEFAULT_EXACT, "my_calculate_action", "anything"} - {"hello", "logout"})
    async with (
        registered_service(tmp_path) as (gateway, _),
        quicgw_fast.connect(at(gateway), openid="alice", insecure=True) as client,
    ):
        replies = [await client.call(action, data=action.encode()) for action in asked]
    assert [(reply.code, reply.data.decode()) for reply in replies] == [(200, action) for action in asked]


async def test_a_client_renews_its_token(tmp_path: Path) -> None:
    secret = tmp_path / "secret.key"
    secret.write_text("0123456789abcdef" * 4, encoding="utf-8")
    jwt = {"QUICGW_AUTH__MODE": "jwt", "QUICGW_AUTH__KEY_FILE": str(secret)}
    async with registered_service(tmp_path, **jwt) as (gateway, _):
        lines = await finished("tokens.py", at(gateway), "alice", str(secret))
    assert lines[:2] == ["token 1", "token 2"]
    assert lines[-1] == "reply 200 longer than a token lives"


def test_every_example_is_run_and_listed() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f'"{path.name}"' in text
        assert f"({path.name})" in listed


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
@pytest.mark.parametrize("arguments", [(), ("127.0.0.1:1",) * 5], ids=["none", "too many"])
async def test_an_example_says_how_it_is_used(path: Path, arguments: tuple[str, ...]) -> None:
    async with run(path.name, *arguments, stderr=asyncio.subprocess.STDOUT) as running:
        lines, status = await running.ends()
    assert status != 0
    (told,) = lines
    assert told.startswith(f"Usage: python {path.name} ")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_uses_only_what_is_public(path: Path) -> None:
    imported = [line for line in path.read_text(encoding="utf-8").splitlines() if "quicgw_fast" in line]
    assert not [line for line in imported if "quicgw_fast._" in line]
