"""docs/howto/watch.md does what it says."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.control.pages.web import FOLDER
from tests.support.gateway_process import GatewayProcess
from tests.support.howto import DOCS, Howto, shell
from tests.support.pages import page as ask_admin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKEN = "token-of-the-operators"
TEXT = (DOCS / "howto/watch.md").read_text(encoding="utf-8")


@contextlib.asynccontextmanager
async def terminal(command: str, folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Run a command as in a terminal; yields it and the other end of the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
    os.set_blocking(ours, False)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "TERM": "xterm-256color"}
    process = await asyncio.create_subprocess_exec(
        "bash", "-euc", f"exec {command}", cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        os.close(ours)


async def until_drawn(ours: int, *texts: str) -> None:
    """Read what is drawn until all of these were."""
    drawn = ""
    async with asyncio.timeout(30):
        while not all(text in drawn for text in texts):
            await asyncio.sleep(0.02)
            with contextlib.suppress(BlockingIOError):
                drawn += re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", os.read(ours, 1 << 16).decode(errors="replace"))


async def see_and_quit(command: str, folder: Path, *texts: str) -> None:
    """Run ``quicgw top`` until it has drawn these, press q, and see it end."""
    async with terminal(command, folder) as (process, ours):
        await until_drawn(ours, *texts)
        os.write(ours, b"q")
        async with asyncio.timeout(20):
            while process.returncode is None:
                with contextlib.suppress(BlockingIOError, OSError):
                    os.read(ours, 1 << 16)
                await asyncio.sleep(0.02)
        assert process.returncode == 0


async def test_the_commands(tmp_path: Path) -> None:
    (tmp_path / "admin.tokens").write_text(TOKEN + "\n")
    (tmp_path / "admin.tokens").chmod(0o600)
    (tmp_path / "gateway.toml").write_text('[control]\nadmin_token_file = "admin.tokens"\n')
    configured = ("--config", str(tmp_path / "gateway.toml"))
    async with GatewayProcess.dev(*configured) as first, GatewayProcess.dev(*configured) as second:
        replaced = {"127.0.0.1:8080 127.0.0.1:8180": f"{first.ready.admin} {second.ready.admin}"}
        _, alone, several, script = Howto("howto/watch.md", replaced).commands()
        await see_and_quit(several.strip(), tmp_path, first.ready.admin, second.ready.admin, "requests/s", "up")
        at_home = f"env QUICGW_SERVER__ADMIN={first.ready.admin} QUICGW_CONTROL__ADMIN_TOKEN_FILE=admin.tokens "
        await see_and_quit(at_home + alone.strip(), tmp_path, "Requests", "Latency", "127.0.0.1:")
        (gateway,) = json.loads(await shell(at_home + script, tmp_path))["gateways"]
        assert (gateway["admin"], gateway["up"]) == (first.ready.admin, True)
        for key in ("performance", "latency", "upstreams", "overload"):
            assert f"`{key}`" in TEXT
            assert key in gateway


async def test_the_numbers_are_where_it_says() -> None:
    async with GatewayProcess.dev() as gateway:
        _, metrics = await ask_admin(gateway.ready.admin, "/metrics")
        for path in re.findall(r"\| `(/[a-z]+)`(?:, `(/[a-z]+)`)? \|", TEXT):
            for each in filter(None, path):
                assert (await ask_admin(gateway.ready.admin, each))[0] == 200
    names = {name.partition("_…")[0] for name in re.findall(r"`((?:quicgw|process)_[a-z_…]+)", TEXT)}
    assert len(names) > 10
    for name in names:
        assert re.search(rf"^{name}", metrics, re.MULTILINE), name


def test_the_keys_are_those_of_the_page() -> None:
    listed = re.findall(r'\["([^"]+)", "[A-Z]', (FOLDER / "keys.js").read_text(encoding="utf-8"))
    keys = {key for keys in listed for key in keys.split()} - {"↓", "↑"}
    assert len(keys) == 9
    assert {key for key in keys if f"`{key}`" not in TEXT} == {"Enter", "Esc"}
    assert "Enter, Esc" in TEXT


@pytest.mark.parametrize("picture", ["page-desk-dark.png", "page-phone-light.png", "page-session-dark.png", "top.svg"])
def test_the_pictures_are_there_and_small(picture: str) -> None:
    assert f"images/{picture}" in TEXT
    assert 0 < (DOCS / "images" / picture).stat().st_size <= 150 << 10
