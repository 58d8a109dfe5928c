"""A file system that can really be full, for one process and for as long as it lives."""

from __future__ import annotations

import errno
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def on_a_disk_of_its_own(folder: Path, size: str) -> list[str]:
    """Return the command that executes the one behind it with a small file system at ``folder``, in the same process.

    Skips the test where nothing may be mounted: nothing else is full in the same way for a log and its checkpoints.
    """
    mount = f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(folder)]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system may be mounted here: {error}")
    return command


def fill(path: Path) -> None:
    """Write until the disk has no byte left."""
    with path.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
