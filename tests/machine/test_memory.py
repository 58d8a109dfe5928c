"""What the kernel tells of the memory of a process, in both versions of control groups."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.machine import ProcessMemory

if TYPE_CHECKING:
    from pathlib import Path


def write(root: Path, files: dict[str, str]) -> ProcessMemory:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return ProcessMemory(root)


def test_it_knows_this_process() -> None:
    memory = ProcessMemory()
    before = memory.used()
    assert before > 1 << 20
    kept = bytearray(os.urandom(1)) * (64 << 20)
    assert memory.used() - before > 48 << 20
    del kept
    memory.trim()
    assert memory.used() - before < 48 << 20
    assert memory.allowed() is None or memory.allowed() > 1 << 20  # type: ignore[operator]


def test_what_is_resident_is_counted_in_pages(tmp_path: Path) -> None:
    memory = write(tmp_path, {"proc/self/statm": "900 7 3 1 0 5 0\n"})
    assert memory.used() == 7 * os.sysconf("SC_PAGE_SIZE")


def test_what_cannot_be_read_for_a_moment_is_as_it_was(tmp_path: Path) -> None:
    group = {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "5000\n"}
    memory = write(tmp_path, {"proc/self/statm": "900 7 3 1 0 5 0\n", **group})
    before = memory.used(), memory.allowed()
    for name in ("proc/self/statm", "sys/fs/cgroup/a/memory.max"):
        (tmp_path / name).unlink()
        (tmp_path / name).mkdir()  # which opens, and cannot be read
    assert (memory.used(), memory.allowed()) == before


@pytest.mark.parametrize(
    ("files", "allowed"),
    [
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "5000\n"}, 5000),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, None),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/memory.max": "5000\n",
                "sys/fs/cgroup/a/memory.max": "4000\n",
            },
            4000,
        ),
        ({"proc/self/cgroup": "0::/elsewhere\n", "sys/fs/cgroup/memory.max": "3000\n"}, 3000),
        ({"proc/self/cgroup": "4:memory:/x\n0::/\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "6000\n"}, 6000),
        (
            {
                "proc/self/cgroup": "4:cpu,memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{(1 << 63) - 4096}",
            },
            None,
        ),
        ({"proc/self/cgroup": "4:cpu:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "6000\n"}, None),
        ({}, None),
    ],
)
def test_the_lowest_limit_of_its_groups_counts(tmp_path: Path, files: dict[str, str], allowed: int | None) -> None:
    assert write(tmp_path, files).allowed() == allowed


def test_a_limit_that_changes_is_noticed(tmp_path: Path) -> None:
    memory = write(tmp_path, {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "5000\n"})
    assert memory.allowed() == 5000
    (tmp_path / "sys/fs/cgroup/a/memory.max").write_text("7000\n")
    assert memory.allowed() == 7000


def test_where_nobody_tells_nothing_is_known(tmp_path: Path) -> None:
    memory = ProcessMemory(tmp_path)
    assert (memory.used(), memory.allowed()) == (0, None)
