"""The file of the store: whose it is, and each way in which one cannot be used."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from quicgw_fast.errors import ConfigError, StartupError
from quicgw_fast.store import (
    SqliteStore,
    sqlite_file,
)
from tests.store.conftest import NOW, ROOMY


def complaint(path: Path, kind: type[Exception] = ConfigError) -> str:
    with pytest.raises(kind) as error:
        SqliteStore(path)
    text = str(error.value)
    assert str(path) in text
    assert text.endswith(".")
    return text


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "LOCK_TIMEOUT", 0.05)


async def test_the_file_is_private(store: SqliteStore, path: Path) -> None:
    await store.put("alice", b"1", NOW)
    files = list(path.parent.iterdir())
    assert {file.name for file in files} == {"store.db", "store.db-wal"}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "No such file" in complaint(tmp_path / "absent" / "store.db")


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    assert "directory" in complaint(tmp_path)


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_bytes(b"important notes of somebody " * 100)
    assert "not a SQLite database" in complaint(path)
    assert path.read_bytes() == b"important notes of somebody " * 100


def test_a_database_of_something_else_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE message (id)")
    before = path.read_bytes()
    assert "something else" in complaint(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", [0, 3, 1000])
async def test_another_schema_version_is_not_guessed_at(path: Path, version: int) -> None:
    await SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    assert f"version {version}" in complaint(path)


async def test_a_damaged_file_is_found_at_the_start(path: Path) -> None:
    store = SqliteStore(path, ROOMY)
    for n in range(200):
        await store.put("alice", bytes([n]) * 500, NOW)
    await store.close()
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * 4096 * 3)
    assert "damaged" in complaint(path)


async def test_a_truncated_file_is_found_at_the_start(path: Path) -> None:
    store = SqliteStore(path, ROOMY)
    for n in range(200):
        await store.put("alice", bytes([n]) * 500, NOW)
    await store.close()
    os.truncate(path, 20_000)
    assert "damaged" in complaint(path)


@pytest.mark.usefixtures("impatient")
async def test_a_file_has_one_gateway(store: SqliteStore, path: Path) -> None:
    assert "in use" in complaint(path, StartupError)
    assert (await store.put("alice", b"1", NOW)).stored


@pytest.mark.usefixtures("impatient")
async def test_a_file_that_another_program_writes_to_is_in_use(path: Path) -> None:
    await SqliteStore(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert "in use" in complaint(path, StartupError)
    await SqliteStore(path).close()


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    asyncio.run(SqliteStore(path).close())
    assert path.stat().st_size > 0


def test_the_error_of_the_disk_is_passed_on(path: Path) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    assert "disk I/O error" in str(sqlite_file._explained(error, path))


def test_a_file_system_without_a_write_ahead_log(path: Path) -> None:
    elsewhere = sqlite3.connect(":memory:", isolation_level=None)  # it has none, as on a network's
    with closing(elsewhere), pytest.raises(ConfigError, match="cannot use a write-ahead log"):
        sqlite_file._prepare(elsewhere, path)


async def test_a_system_that_cannot_reserve_the_log_does_without(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    store = SqliteStore(path, ROOMY)
    assert (await store.put("alice", b"1", NOW)).stored
    assert path.with_name("store.db-wal").stat().st_size < sqlite_file.LOG_BYTES
    await store.close()
    assert caplog.messages == []


def test_a_file_that_could_not_be_opened_is_let_go_of(path: Path) -> None:
    path.write_bytes(b"important notes of somebody " * 100)
    with pytest.raises(ConfigError) as failed:
        SqliteStore(path)
    assert failed.traceback, "and is not only forgotten with the error, which holds everything that it came through"
    assert path not in [descriptor.resolve() for descriptor in Path("/proc/self/fd").iterdir()]
