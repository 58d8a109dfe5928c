"""docs/howto/logs.md does what it says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support import wire
from tests.support.gateway_process import READY, GatewayProcess, write_config
from tests.support.howto import Howto, shell
from tests.support.raw_upstream import RawUpstream
from tests.support.world import write_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHANGING = {"session", "size", "duration", "timestamp"}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


@contextlib.asynccontextmanager
async def serving(command: str, folder: Path) -> AsyncIterator[tuple[str, str]]:
    """Run the gateway as the page has it; its addresses for clients and for operators."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **os.environ,
        "PATH": path,
        "QUICGW_SERVER__QUIC": "127.0.0.1:0",
        "QUICGW_SERVER__GRPC": "127.0.0.1:0",
        "QUICGW_SERVER__WATCH": "0s",  # or a slow machine has seen the change before it is asked to
    }
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euc", f"exec {command}"), cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            ready = READY.match((await process.stdout.readline()).decode().rstrip())
        assert ready is not None, (folder / "gateway.log").read_text()
        yield ready[1], ready[3]
        process.terminate()
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_the_page(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    async with RawUpstream() as upstream:
        page = Howto("howto/logs.md", {"127.0.0.1:9001": upstream.address, "127.0.0.1:8080": "127.0.0.1:0"})
        serve, call, grep, change = page.commands()
        (tmp_path / "gateway.toml").write_text(page.fence("toml"))
        async with serving(serve.strip(), tmp_path) as (quic, admin):
            await shell(f"{call.strip()} --server {quic} --timeout 20", tmp_path)
            shown, found = objects(page.fence("json")), objects(await shell(grep, tmp_path))
            assert upstream.seen[-1].metadata["x-request-id"] == "order-17"
            for line, like in zip(found, shown, strict=True):
                assert list(line) == list(like)
                assert {name: line[name] for name in set(like) - CHANGING} == {
                    name: like[name] for name in set(like) - CHANGING
                }
            told = await shell(f"{change.strip()} --admin {admin}", tmp_path)
            assert "log.level" in told
            await shell(f"{call.strip()} --server {quic} --timeout 20", tmp_path)
            assert objects(await shell(grep, tmp_path)) == found
        for line in objects((tmp_path / "gateway.log").read_text()):
            assert re.fullmatch(TIME, line["timestamp"])
            assert {"level", "logger", "event"} <= set(line)
            assert line["logger"].startswith("quicgw."), "libraries do not speak at debug"


async def test_the_flag_is_stronger_than_the_file(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path)
    async with RawUpstream() as upstream:
        config = write_config(tmp_path, certificate, upstream.address, '[log]\nlevel = "error"')
        async with GatewayProcess.serve(config, "--log-level", "debug") as gateway:
            await shell(f"quicgw reload --admin {gateway.ready.admin}", tmp_path)
            host, port = gateway.ready.quic
            await shell(f"quicgw call echo --openid alice --insecure --server {host}:{port} --timeout 20", tmp_path)
            await wire.until(lambda: '"event": "answered"' in gateway.errors, what="the answer has a line")


async def test_on_a_terminal_it_is_text_in_colors(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    free = [f"--{name}=127.0.0.1:0" for name in ("quic", "grpc", "admin")]
    process = await asyncio.create_subprocess_exec(
        *("quicgw", "dev", *free), cwd=tmp_path, env={**environment, "PATH": path, "TERM": "xterm-256color"},
        stdin=theirs, stdout=asyncio.subprocess.PIPE, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            await process.stdout.readline()
            written = await asyncio.to_thread(os.read, ours, 1 << 16)
        process.terminate()
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        os.close(ours)
    assert b"\x1b[" in written
    plain = re.sub(r"\x1b\[[\d;]*m", "", written.decode())
    assert re.search(rf"^{TIME} \[\w+ *\] \w.*\[quicgw\.\w+\]", plain, re.MULTILINE), plain
