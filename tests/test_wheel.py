"""The wheel, made from the sdist: installs where there is no Rust, and has everything that others need of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PACKAGED = {"py.typed", "_core.pyi", "_core.abi3.so", "proto/client.proto", "proto/service.proto"}
BUILT_FROM = {"Cargo.lock", "LICENSE", "README.md", "proto/client.proto", "proto/service.proto", "rust/core/Cargo.toml"}

USE = """
from pathlib import Path
from quicgw_fast import backend, proto
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.proto.service_pb2_grpc import GatewayServiceStub
print(proto.__file__, backend.NAME, UpstreamRequest(action="hello").action)
"""


def build(out: Path) -> tuple[Path, Path]:
    """Return sdist and wheel; ``--sdist`` makes maturin build the wheel from the sdist and not from the checkout."""
    maturin = [str(Path(sys.executable).parent / "maturin"), "build", "--release", "--locked", "--sdist"]
    done = subprocess.run([*maturin, "--out", str(out)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


def install(wheel: Path, folder: Path) -> Path:
    """Return the ``bin`` of a new environment that has the wheel and, of this one's packages, all but our own."""
    venv.create(folder, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-index", "--no-deps", "--disable-pip-version-check", str(wheel)], check=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    # A line of a .pth file is a path, and the .pth files there are not read: what is installed editable stays behind.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin"


def run(installed: Path, command: str, *arguments: str) -> str:
    """Run a command where no Rust is to be found, and return what it printed."""
    environment = {"PATH": os.pathsep.join([str(installed), "/usr/bin", "/bin"]), "QUICGW_BACKEND": "rust"}
    assert shutil.which("cargo", path=environment["PATH"]) is None
    done = subprocess.run(
        [str(installed / command), *arguments],
        cwd=installed,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(600)  # compiles the extension from nothing
def test_the_wheel_of_the_sdist_runs_without_rust(tmp_path: Path) -> None:
    sdist, wheel = build(tmp_path / "dist")
    with tarfile.open(sdist) as archive:
        assert {name.partition("/")[2] for name in archive.getnames()} >= BUILT_FROM
    assert "-cp311-abi3-" in wheel.name, "one wheel is for every Python"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert names >= {f"quicgw_fast/{name}" for name in PACKAGED}
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"quicgw_fast"}

    installed = install(wheel, tmp_path / "clean")
    file, engine, action = run(installed, "python", "-c", USE).split()
    assert Path(file).is_relative_to(installed.parent)
    assert (engine, action) == ("rust", "hello")
    assert run(installed, "quicgw", "--version").strip()
