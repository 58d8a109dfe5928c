"""Get the source of the aioquic release that is installed, and run its tests with ``on_the_short_path``.

The source comes from the package index once; its hash is that of ``requirements/dev.txt``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KEPT = ROOT / "build" / "aioquic"


def pinned() -> str:
    """Return the lines of the requirements that pin aioquic."""
    found = re.search(r"^aioquic==.*(?:\n {4}--hash=.*)+", (ROOT / "requirements/dev.txt").read_text(), re.MULTILINE)
    if found is None:
        sys.exit("requirements/dev.txt does not pin aioquic: run make lock")
    return found[0]


def source(release: str) -> Path:
    """Return the folder with the source of a release, and get it first where it is not there."""
    folder = KEPT / f"aioquic-{release}"
    if not folder.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        requirement = KEPT / "requirement.txt"
        requirement.write_text(pinned(), encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        hashed = ["--no-binary", "aioquic", "--require-hashes", "--requirement", str(requirement), "--dest", str(KEPT)]
        subprocess.run([*pip, *hashed], check=True)
        with tarfile.open(KEPT / f"aioquic-{release}.tar.gz") as archive:
            archive.extractall(KEPT, filter="data")
    return folder


def main() -> int:
    """Run the tests; further arguments are pytest's."""
    folder = source(version("aioquic"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(HERE), str(ROOT / "python")))}
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(folder), "-q"]
    plugins = ["-p", "on_the_short_path", "-p", "no:randomly", "-p", "no:cacheprovider", "tests"]
    return subprocess.run([*command, *plugins, *sys.argv[1:]], cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
