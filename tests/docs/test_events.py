"""docs/howto/events.md does what it says."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from typing import TYPE_CHECKING

from quicgw_fast import backend
from quicgw_fast.client import connect
from tests.flow.house import House
from tests.support.gateway_process import SOURCE, GatewayProcess
from tests.support.howto import DOCS, Howto, shell

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    with socket.create_server(("127.0.0.1", 0)) as place:
        hook = place.getsockname()[1]
    page = Howto("howto/events.md", {"8099": str(hook)})
    page.write(tmp_path)
    everything, some, secret = page.commands()
    await shell(secret, tmp_path)
    receiver = await asyncio.create_subprocess_exec(
        sys.executable, "hook.py", cwd=tmp_path, env=os.environ, stdout=asyncio.subprocess.PIPE
    )
    monkeypatch.chdir(tmp_path)
    try:
        async with GatewayProcess.dev("--config", "hook.toml") as gateway:
            grpc = gateway.ready.grpc
            for openid in ("alice", "bob"):
                async with connect(":".join(map(str, gateway.ready.quic)), openid=openid, insecure=True):
                    pass
            async with connect(":".join(map(str, gateway.ready.quic)), openid="carol", insecure=True):
                assert receiver.stdout is not None
                async with asyncio.timeout(20.0):
                    told = [(await receiver.stdout.readline()).decode().split() for _ in range(5)]
                lines = (await shell(f"{everything.strip()} --gateway {grpc}", tmp_path)).splitlines()
                chosen = await shell(f"{some.strip()} --gateway {grpc}", tmp_path)
                program = (tmp_path / "presence.py").read_text(encoding="utf-8").replace("127.0.0.1:8092", grpc)
                (tmp_path / "presence.py").write_text(program, encoding="utf-8")
                assert await shell("python presence.py", tmp_path) == "['carol']\n"
    finally:
        receiver.kill()
        await receiver.wait()
    assert told == [
        ["LOGGED_IN", "alice"],
        ["ENDED", "alice", "STOPPED"],
        ["LOGGED_IN", "bob"],
        ["ENDED", "bob", "STOPPED"],
        ["LOGGED_IN", "carol"],
    ]
    assert [line.split("  ")[1] for line in lines[:4]] == [
        "attached",
        "logged-in",
        "detached (NORMAL)",
        "ended (STOPPED)",
    ]
    assert [(o["kind"], o["openid"], o["version"]) for o in map(json.loads, chosen.splitlines())] == [
        ("LOGGED_IN", "alice", 1),
        ("ENDED", "alice", 1),
    ]


def test_what_is_counted_is_there() -> None:
    text = (DOCS / "howto/events.md").read_text(encoding="utf-8").rpartition("## What is counted")[2]
    names = {word for word in text.split("`") if "_" in word}
    assert len(names) == 7
    assert names <= {family.name for family in House(backend.load("python")).metrics}
