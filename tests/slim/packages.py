"""What the client alone needs, and environments that have nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]

MODULES = {
    "grpcio": "grpc",
    "grpcio-health-checking": "grpc_health",
    "grpcio-reflection": "grpc_reflection",
    "opentelemetry-exporter-otlp-proto-grpc": "opentelemetry",
    "opentelemetry-sdk": "opentelemetry",
    "prometheus-client": "prometheus_client",
    "prompt-toolkit": "prompt_toolkit",
    "PyJWT": "jwt",
}
"""The modules of packages that are not called as they are."""

CALL = """
import asyncio, sys
import quicgw_fast
import quicgw_fast.sync

async def main(address, transport):
    async with quicgw_fast.connect(address, openid="slim", insecure=True, transport=transport) as client:
        return (await client.call("echo", data=b"slim")).data.decode()

for transport in ("aioquic", "quinn"):
    print(asyncio.run(main(sys.argv[1], transport)))
    with quicgw_fast.sync.connect(sys.argv[1], openid="sync", insecure=True, transport=transport) as client:
        print(client.call("echo", data=b"sync").data.decode())
"""
CALLED = ["slim", "sync"] * 2


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", requirement)[0] for requirement in requirements}


def locked() -> set[str]:
    """The packages that the client alone brings, from the file with their hashes."""
    text = (ROOT / "requirements" / "client.txt").read_text(encoding="utf-8")
    return set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))


def blocked() -> set[str]:
    """The modules of all packages that only an extra brings."""
    packages = set().union(*(names(EXTRAS[extra]) for extra in ("server", "service", "top", "tracing", "cluster")))
    return {MODULES.get(package, package.lower()) for package in packages}


def slim_environment(folder: Path) -> Path:
    """Return the Python of a new environment which has the client's packages and our own from the working tree.

    They are links to those that are installed here, so that it takes no network and no time.
    """
    venv.create(folder, symlinks=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    for package in locked():
        installed = distribution(package)
        tops = {Path(file).parts[0] for file in installed.files or [] if Path(file).parts[0] != ".."}
        for top in tops - {"__pycache__"}:
            (site / top).exists() or (site / top).symlink_to(Path(str(installed.locate_file(top))))
    (site / "quicgw_fast").symlink_to(ROOT / "python" / "quicgw_fast")
    return folder / "bin" / "python"


def run(python: Path, *arguments: str, status: int = 0) -> str:
    """Run Python where nothing leads to other packages; returns what it printed, or what it complained of."""
    environment = {"PATH": f"{python.parent}{os.pathsep}/usr/bin{os.pathsep}/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [str(python), *arguments], cwd=python.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def pip(python: Path, *arguments: str) -> str:
    """Run this environment's pip for another one."""
    command = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
