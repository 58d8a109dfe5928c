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

PAGE = {f"control/web/{path.name}" for path in (ROOT / "python/quicgw_fast/control/web").iterdir()}
PACKAGED = {"py.typed", "_core.pyi", "_core.abi3.so", "proto/client.proto", "proto/service.proto", "cli/watch/app.tcss"}
BUILT_FROM = {"Cargo.lock", "LICENSE", "README.md", "proto/client.proto", "proto/service.proto", "rust/core/Cargo.toml"}

QUICK = {"CARGO_TARGET_DIR": str(ROOT / "target")}
"""How fast the code is does not matter here, and optimising it takes most of the time. What others wrote was compiled
for the tests in Rust."""

USE = """
from pathlib import Path
from quicgw_fast import backend, proto
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.proto.service_pb2_grpc import GatewayServiceStub
from quicgw_fast.transport import quinn
from quicgw_fast.upstream import native
print(proto.__file__, backend.NAME, UpstreamRequest(action="hello").action)
"""


def build(out: Path) -> tuple[Path, Path]:
    """Return sdist and wheel; ``--sdist`` makes maturin build the wheel from the sdist and not from the checkout."""
    maturin("build", "--sdist", "--out", str(out))
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


def maturin(command: str, *arguments: str) -> None:
    program = [str(Path(sys.executable).parent / "maturin"), command, "--profile", "dev", "--locked"]
    done = subprocess.run(
        [*program, *arguments], cwd=ROOT, env={**os.environ, **QUICK}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def install(wheel: Path, folder: Path) -> Path:
    """Return the ``bin`` of a new environment that has the wheel and, of this one's packages, all but our own."""
    venv.create(folder, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-index", "--no-deps", "--disable-pip-version-check", str(wheel)], check=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    # A line of a .pth file is a path, and the .pth files there are not read: what is installed editable stays behind.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin"


def run(installed: Path, command: str, *arguments: str, status: int = 0, **variables: str) -> str:
    """Run a command where no Rust is to be found, and return what it printed."""
    environment = {"PATH": os.pathsep.join([str(installed), "/usr/bin", "/bin"]), "QUICGW_BACKEND": "rust", **variables}
    assert shutil.which("cargo", path=environment["PATH"]) is None
    done = subprocess.run(
        [str(installed / command), *arguments],
        cwd=installed,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


@pytest.mark.timeout(1200)  # compiles the extension from nothing, maybe beside others
def test_the_wheel_of_the_sdist_runs_without_rust(tmp_path: Path) -> None:
    sdist, wheel = build(tmp_path / "dist")
    with tarfile.open(sdist) as archive:
        assert {name.partition("/")[2] for name in archive.getnames()} >= BUILT_FROM
    assert "-cp311-abi3-" in wheel.name, "one wheel is for every Python"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert names >= {f"quicgw_fast/{name}" for name in PACKAGED | PAGE}
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"quicgw_fast"}

    installed = install(wheel, tmp_path / "clean")
    file, engine, action = run(installed, "python", "-c", USE).split()
    assert Path(file).is_relative_to(installed.parent)
    assert (engine, action) == ("rust", "hello")
    assert "engine rust, transport quinn, upstream client native" in run(
        installed, "quicgw", "version", QUICGW_FAST="1"
    )
    # The help of settings is read from the sources, which must be there and need no docstrings.
    sample = run(installed, "quicgw", "genconfig", PYTHONOPTIMIZE="2")
    assert "# A connection without any message" in sample
    (installed / "gateway.toml").write_text(sample, encoding="utf-8")
    assert "gateway.toml: good" in run(installed, "quicgw", "checkconfig", "gateway.toml")


@pytest.mark.timeout(1200)
def test_the_engine_alone_is_a_build_that_works(tmp_path: Path) -> None:
    """Without the features of the other compiled parts: those are missed in a sentence, and everything plain runs."""
    maturin("build", "--no-default-features", "--out", str(tmp_path / "dist"))
    installed = install(next((tmp_path / "dist").glob("*.whl")), tmp_path / "clean")
    assert "engine rust, transport aioquic" in run(installed, "quicgw", "version")
    assert "checks held" in run(installed, "quicgw", "demo", "--clients", "4", "--requests", "40")
    for asked, missed in (
        ({"QUICGW_SERVER__TRANSPORT": "quinn"}, "the transport quinn cannot be imported"),
        ({"QUICGW_UPSTREAM__CLIENT": "native"}, "the native upstream client cannot be imported"),
    ):
        said = run(installed, "quicgw", "dev", "--quic", "127.0.0.1:0", status=3, **asked)
        assert missed in said
        assert "Traceback" not in said
    assert "the load generator is not in this build" in run(installed, "quicgw", "bench", "127.0.0.1:9", "-k", status=3)
