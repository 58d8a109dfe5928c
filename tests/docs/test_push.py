"""docs/howto/push.md does what it says."""

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
async def listening(folder: Path) -> AsyncIterator[asyncio.StreamReader]:
    """The page's client, whose lines are read."""
    client = await asyncio.create_subprocess_exec(
        sys.executable, "listen.py", cwd=folder, env=os.environ, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert client.stdout is not None
        yield client.stdout
    finally:
        client.kill()
        await client.wait()


async def lines(stream: asyncio.StreamReader, count: int) -> list[str]:
    async with asyncio.timeout(20.0):
        return [(await stream.readline()).decode().strip() for _ in range(count)]


async def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    async with GatewayProcess.dev() as gateway:
        grpc, (host, port) = gateway.ready.grpc, gateway.ready.quic
        page = Howto("howto/push.md", {"127.0.0.1:8092": grpc, "127.0.0.1:8443": f"{host}:{port}"})
        page.write(tmp_path)
        options, batch = page.commands()

        async def printed(command: str) -> list[str]:
            return (await shell(command, tmp_path)).splitlines()

        async with listening(tmp_path) as client:
            assert await lines(client, 1) == ["online"]
            commands = [f"{line} --gateway {grpc}" for line in options.splitlines()]
            assert await printed(commands[0]) == ["sent, acknowledged"]
            for command in commands[1:]:
                assert await printed(command) == ["sent"]
            assert await lines(client, 3) == ["notice you have mail", "score 3:1", "notice order 17 is paid"]
            told = await printed("python paid.py")
            assert told[0].startswith("alice has it, as number ")
            assert await printed("python paid.py") == told
            assert await printed("python score.py") == ["1:0 sent", "1:1 sent", "2:1 sent"]
            assert await printed("python batch.py") == ["alice PUSH_OUTCOME_ACKNOWLEDGED", "nobody TARGET_NOT_FOUND"]
            assert await printed(f"{batch.strip()} --gateway {grpc}") == ["sent, acknowledged", "sent"]
            accepted, acknowledged = await printed("python receipts.py")
            assert accepted.startswith("PUSH_OUTCOME_ACCEPTED ")
            assert acknowledged == f"PUSH_OUTCOME_ACKNOWLEDGED {accepted.split()[1]}"
            scores, news = ["score 1:0", "score 1:1", "score 2:1"], ["news hello", "news one", "news two", "news hello"]
            assert await lines(client, 8) == ["order order 17 is paid", *scores, *news]


def test_what_is_counted_is_there() -> None:
    text = (DOCS / "howto/push.md").read_text(encoding="utf-8").rpartition("## What is counted")[2]
    names = {word for word in text.split("`") if word.startswith(("push_", "pushes_"))}
    assert len(names) == 6
    assert names <= {family.name for family in House(backend.load("python")).metrics}
