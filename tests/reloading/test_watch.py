from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.reloading.fingerprints import NO_FILE, fingerprint
from quicgw_fast.reloading.watch import FileWatch

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("one")
    return path


@pytest.fixture
def watch(file: Path) -> FileWatch:
    """A watch that has read the file."""
    made = FileWatch()
    made.reading([file])
    return made


def looks(watch: FileWatch, count: int = 3) -> list[bool]:
    return [watch.look() for _ in range(count)]


def test_what_does_not_change_is_no_news(watch: FileWatch) -> None:
    assert looks(watch) == [False] * 3


def test_another_content_is_news_when_it_is_the_same_at_two_looks(watch: FileWatch, file: Path) -> None:
    file.write_text("two")
    assert looks(watch) == [False, True, True]
    watch.reading([file])
    assert looks(watch) == [False] * 3


def test_a_file_that_is_still_being_written_is_none(watch: FileWatch, file: Path) -> None:
    for number in range(5):
        file.write_text(f"half {number}")
        assert not watch.look()
    assert watch.look()


def test_content_counts_and_neither_times_nor_inodes(watch: FileWatch, file: Path) -> None:
    os.utime(file, (1, 1))
    other = file.with_name("other")
    other.write_text("one")
    other.replace(file)
    assert looks(watch) == [False] * 3
    times = file.stat()
    file.write_text("two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert looks(watch)[1:] == [True, True]


def test_what_changes_back_is_no_news(watch: FileWatch, file: Path) -> None:
    file.write_text("two")
    assert not watch.look()
    file.write_text("one")
    assert looks(watch) == [False] * 3


def test_a_file_that_goes_away_is_news_once_it_was_read_as_missing(watch: FileWatch, file: Path) -> None:
    file.unlink()
    assert looks(watch, 2) == [False, True]
    watch.reading([file])
    assert looks(watch) == [False] * 3
    file.write_text("one")
    assert looks(watch, 2) == [False, True]


def test_only_what_is_named_is_looked_at(watch: FileWatch, file: Path) -> None:
    other = file.with_name("other")
    watch.reading([other])
    watch.only([file])
    other.write_text("new")
    assert looks(watch) == [False] * 3


def test_what_cannot_be_read_has_a_fingerprint_too(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "absent") == "ENOENT"
    assert fingerprint(tmp_path) == NO_FILE
