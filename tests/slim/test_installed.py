"""The client alone, in an environment that has its packages and no other, against a real gateway.

``make test-slim`` does the same with the wheel and what the package index has, and looks whether a program with FastAPI
can have it, too.
"""

from __future__ import annotations

import asyncio
import os
import re
import venv
from typing import TYPE_CHECKING

import pytest

from tests.slim.packages import CALL, CALLED, ROOT, locked, pip, run, slim_environment
from tests.support.gateway_process import GatewayProcess
from tests.test_wheel import build

if TYPE_CHECKING:
    from pathlib import Path

FULL = pytest.mark.skipif("SLIM" not in os.environ, reason="builds and downloads: make test-slim")


async def call_a_gateway(python: Path) -> None:
    async with GatewayProcess.dev() as gateway:
        address = "{}:{}".format(*gateway.ready.quic)
        assert (await asyncio.to_thread(run, python, "-c", CALL, address)).split() == CALLED


async def test_the_packages_of_the_client_are_enough_for_it(tmp_path: Path) -> None:
    python = slim_environment(tmp_path / "slim")
    await call_a_gateway(python)
    said = run(python, "-m", "quicgw_fast", "version", status=3)
    assert said.endswith('pip install "quicgw-fast[server]"\n')


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


def test_the_documents_say_how_many_packages_come() -> None:
    (said,) = re.findall(r"brings (\d+) packages", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert int(said) == len(locked()) + 1


@FULL
@pytest.mark.timeout(1800)
async def test_the_wheel_with_its_own_requirements(tmp_path: Path) -> None:
    _, wheel = await asyncio.to_thread(build, tmp_path / "dist")
    python = slim_python(tmp_path / "client")
    requirements = str(ROOT / "requirements" / "client.txt")
    await asyncio.to_thread(pip, python, "install", "--quiet", "--require-hashes", "-r", requirements)
    await asyncio.to_thread(pip, python, "install", "--quiet", "--no-index", str(wheel))
    await call_a_gateway(python)
    (site,) = (tmp_path / "client" / "lib").glob("python*/site-packages")
    print(f"{len(locked()) + 1} packages, {size(site) / 1e6:.0f} MB")  # the wheel is not optimised here

    lowest = slim_python(tmp_path / "lowest")
    requirements = str(ROOT / "requirements" / "lowest-client.txt")
    await asyncio.to_thread(pip, lowest, "install", "--quiet", "--require-hashes", "-r", requirements)
    await asyncio.to_thread(pip, lowest, "install", "--quiet", "--no-index", str(wheel))
    await call_a_gateway(lowest)
    await asyncio.to_thread(run, lowest, "-c", "import quicgw_fast.proto.service_pb2_grpc")

    beside = slim_python(tmp_path / "beside")
    await asyncio.to_thread(pip, beside, "install", "--quiet", "fastapi[standard]", str(wheel))
    assert "No broken requirements" in await asyncio.to_thread(pip, beside, "check")
    await call_a_gateway(beside)
    both = await asyncio.to_thread(pip, beside, "install", "--dry-run", "fastapi[standard]", f"{wheel}[server]")
    assert "Would install" in both


def slim_python(folder: Path) -> Path:
    """An environment with nothing in it."""
    venv.create(folder, symlinks=True)
    return folder / "bin" / "python"
