"""docs/howto/groups.md does what it says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING

from quicgw_fast import backend
from tests.flow.house import House
from tests.support.gateway_process import SOURCE, GatewayProcess
from tests.support.howto import DOCS, Howto, shell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest


@contextlib.asynccontextmanager
async def running(folder: Path, *command: str) -> AsyncIterator[asyncio.StreamReader]:
    """A program of the page, whose lines are read."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=folder, env=os.environ, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield process.stdout
    finally:
        process.kill()
        await process.wait()


async def lines(stream: asyncio.StreamReader, count: int) -> list[str]:
    async with asyncio.timeout(30.0):
        return [(await stream.readline()).decode().strip() for _ in range(count)]


async def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    async with GatewayProcess.dev() as gateway:
        grpc, (host, port) = gateway.ready.grpc, gateway.ready.quic
        page = Howto("howto/groups.md", {"127.0.0.1:8092": grpc, "127.0.0.1:8443": f"{host}:{port}"})
        page.write(tmp_path)
        calls, commands = (block.splitlines() for block in page.commands())

        async def printed(command: str, option: str) -> list[str]:
            return (await shell(f"{command} {option}", tmp_path)).splitlines()

        async with (
            running(tmp_path, "chat.py") as service,
            contextlib.AsyncExitStack() as stack,
        ):
            assert (await lines(service, 1))[0].startswith("ready ")
            clients = []
            for name in ("alice", "bob"):
                clients.append(await stack.enter_async_context(running(tmp_path, "listen.py", name)))
                assert await lines(clients[-1], 1) == ["in"]
            server = f"--server {host}:{port}"
            assert (await printed(calls[0], server))[-1] == "2 heard it"
            assert (await printed(calls[1], server))[-1] == "alice, bob"
            ask = f"--gateway {grpc}"
            assert [line.split()[1] for line in await printed(commands[0], ask)] == ["OPENID", "alice", "bob"]
            assert await printed(commands[1], ask) == ["joined: 1 session"]
            assert await printed(commands[2], ask) == ["sent to 2 of 2 members"]
            assert await printed(commands[3], ask) == ["left: 1 session"]
            listed = await printed(commands[4], f"--admin {gateway.ready.admin}")
            assert [line.split() for line in listed] == [
                ["NAME", "MEMBERS"],
                ["lobby", "2"],
                ["attic", "1"],
                ["2", "of", "2", "groups"],
            ]
            told = await printed("python room.py", "")
            assert told == ["alice is there and in lobby, attic", *["sent to 1 of 1"] * 2]
            assert await printed("quicgw push unicast --to openid:alice --content mail", ask) == ["sent"]
            heard = ["attic carol: hello, you two", "attic lights out at ten", "attic good night"]
            assert await lines(clients[0], 4) == [*heard, "- mail"]
            assert await lines(clients[1], 2) == heard[:2]


def test_what_is_counted_is_there() -> None:
    text = (DOCS / "howto/groups.md").read_text(encoding="utf-8")
    names = {word for word in text.split("`") if word.startswith(("group_pushes", "group_joins", "group_leaves"))}
    assert len(names) == 4
    assert names | {"groups", "group_memberships"} <= {family.name for family in House(backend.load("python")).metrics}
