"""Opening the database file: ours, whole, of a version we know, and for this process alone."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

from quicgw_fast.errors import ConfigError, StartupError

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger("quicgw.store")

APPLICATION_ID: Final = 0x51475746
"""``QGWF``: says whose database it is, so that a wrong path does not write into somebody else's."""
SCHEMA_VERSION: Final = 2
LOCK_TIMEOUT: Final = 2.0
"""Seconds to wait for another process, such as our own predecessor, to let go of the file."""
CHECKPOINT_PAGES: Final = 32
"""Pages in the write-ahead log after which they are moved into the database and the log begins anew."""
LOG_BYTES: Final = 512 << 10
"""Bytes of the disk that the write-ahead log keeps. Deleting has to write, too: in a log that begins anew early, and
whose place is never given back, what was acknowledged can be deleted although other programs filled the disk."""
SPARE_BYTES: Final = 256 << 10
"""Bytes of the disk that messages leave free: what is in the log must still get into the database."""

# AUTOINCREMENT: an id is never given out again, also when the newest message was deleted before a restart.
_SCHEMA: Final = (
    """CREATE TABLE message (
           id INTEGER PRIMARY KEY AUTOINCREMENT,
           openid TEXT NOT NULL,
           stored_at REAL NOT NULL,
           cost INTEGER NOT NULL,
           body BLOB NOT NULL)""",
    "CREATE INDEX message_openid ON message (openid, id)",
    "CREATE INDEX message_age ON message (stored_at)",
    f"PRAGMA application_id = {APPLICATION_ID}",
)
_STEPS: Final = {
    0: _SCHEMA,
    1: (  # a time of its own, and a key under which a newer one takes its place
        "ALTER TABLE message ADD COLUMN expires_at REAL",
        "ALTER TABLE message ADD COLUMN supersede_key TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX message_expiry ON message (expires_at) WHERE expires_at IS NOT NULL",
        "CREATE UNIQUE INDEX message_key ON message (openid, supersede_key) WHERE supersede_key != ''",
    ),
}
"""What makes the next version of each; 0 is an empty file. A file goes all steps from its own in one transaction."""


def open_database(path: Path) -> sqlite3.Connection:
    """Open or make the database; the connection is in autocommit mode and may be handed to another thread.

    Raises ConfigError when the path cannot be used, or the file is not a database, somebody else's, damaged or too new,
    and StartupError when another process has it open.
    """
    _make_private(path)
    try:
        with ExitStack() as undo:
            connection = sqlite3.connect(path, timeout=LOCK_TIMEOUT, isolation_level=None, check_same_thread=False)
            undo.callback(_close, connection)
            _prepare(connection, path)
            _keep_room(path.with_name(path.name + "-wal"))
            undo.pop_all()
    except sqlite3.Error as error:
        raise _explained(error, path) from error
    return connection


def _make_private(path: Path) -> None:
    """Make the file readable for its owner alone: it holds users' messages.

    SQLite gives its journal the same mode.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise ConfigError(
            f"offline store: cannot open {path}: {error.strerror}. Name a file in a writable folder."
        ) from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    # The bounds, and the promise that a message is delivered by one gateway, need the file for one process
    # alone.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    version = _identify(connection, path)  # before anything is written
    if _value(connection, "PRAGMA journal_mode = WAL") != "wal":
        raise ConfigError(f"offline store: {path} cannot use a write-ahead log. Put it on a local file system.")
    # FULL: a commit is on the disk before it is reported. NORMAL would do against kill -9, but a power cut
    # would take back what senders were told is stored. Group commit shares the price, one fsync, among all
    # that wait for it.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    connection.execute("BEGIN IMMEDIATE")
    for step in range(version, SCHEMA_VERSION):
        for statement in _STEPS[step]:
            connection.execute(statement)
    if version < SCHEMA_VERSION:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
    if (verdict := _value(connection, "PRAGMA quick_check(1)")) != "ok":
        raise ConfigError(_damaged(path, str(verdict)))


def _keep_room(log: Path) -> None:
    """Take the disk space of the write-ahead log now; the zeros behind its end mean nothing to SQLite.

    Where it cannot be had, for one on a disk that is full already, the store is still worth opening: it can be read.
    """
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    try:
        file = os.open(log, os.O_RDWR)
        try:
            os.posix_fallocate(file, 0, LOG_BYTES)
        finally:
            os.close(file)
    except OSError as error:
        _log.warning("offline store cannot reserve its log", extra={"file": str(log), "reason": error.strerror})


class FileGone(OSError):
    """The file that was opened is not there under its name: it was deleted or moved away, or replaced by another."""


def identity(path: Path) -> tuple[int, int]:
    """Return what tells the file at ``path`` from any other that may come to have its name. Raises FileGone."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise FileGone(f"{path} was deleted or moved away") from error
    return status.st_dev, status.st_ino


def free_bytes(path: Path) -> int:
    """Return what the disk of ``path`` has left for us."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def _identify(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the database, 0 while it is empty. Raises ConfigError if it is not ours to use."""
    if _value(connection, "SELECT count(*) FROM sqlite_master") == 0:
        return 0
    if _value(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise ConfigError(f"offline store: {path} is a database of something else. Name another file.")
    version = _value(connection, "PRAGMA user_version")
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise ConfigError(
            f"offline store: {path} has schema version {version}, this release reads up to {SCHEMA_VERSION}. "
            "Run the release that wrote it, or name another file."
        )
    return version


def _value(connection: sqlite3.Connection, query: str) -> object:
    row = connection.execute(query).fetchone()
    return None if row is None else row[0]


def _explained(error: sqlite3.Error, path: Path) -> StartupError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StartupError(
            f"offline store: {path} is in use by another process. "
            "Stop it, or name another file: each gateway needs its own."
        )
    if code == sqlite3.SQLITE_NOTADB:
        return ConfigError(f"offline store: {path} is not a SQLite database. Name another file, or move it away.")
    if code == sqlite3.SQLITE_CORRUPT:
        return ConfigError(_damaged(path, str(error)))
    return ConfigError(f"offline store: cannot open {path}: {error}. Check the disk and the rights.")


def _damaged(path: Path, detail: str) -> str:
    return f"offline store: {path} is damaged ({detail}). Restore it, or move it away to start with an empty one."


def _close(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):  # on the way out with a better error
        connection.close()
