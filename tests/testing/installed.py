"""An environment with the package and all that it may need, as an installation leaves it."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
from typing import TYPE_CHECKING

from tests.slim.packages import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def full_environment(folder: Path) -> Path:
    """Return the Python of a new environment with our package from the working tree and the packages of this one."""
    venv.create(folder, symlinks=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "quicgw_fast").symlink_to(ROOT / "python" / "quicgw_fast")
    # A line of a .pth file is a path, and the .pth files there are not read: what is installed editable stays behind.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin" / "python"


def run_there(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in ``folder``, with nothing in its environment that leads elsewhere."""
    environment = {"PATH": f"{python.parent}{os.pathsep}/usr/bin{os.pathsep}/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [str(python), *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
