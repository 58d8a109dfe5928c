"""The SQL of the offline store: plain steps inside of a transaction that somebody else begins and ends."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Final

from quicgw_fast.codes import StoreCode
from quicgw_fast.store.base import (
    NO_TERMS,
    PutResult,
    Stored,
    StoreStats,
    Terms,
    cost,
    crowded,
    exhausted,
    oldest_kept,
    refusal_of,
)
from quicgw_fast.store.sqlite_file import LOG_BYTES, SPARE_BYTES, FileGone, free_bytes, identity

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from quicgw_fast.config import OfflineConfig

_log = logging.getLogger("quicgw.store")

_COLUMNS: Final = "id, body, stored_at, coalesce(expires_at, 9e999), supersede_key"
"""Those of a ``Stored``."""
_OVER: Final = "stored_at <= ? OR (expires_at IS NOT NULL AND expires_at <= ?)"
"""Not to be given out any more: too old, or by its own terms."""
PAGE_BYTES: Final = 4096
"""SQLite's own default."""
SWEEP_STEP: Final = 1000
"""Messages that one step removes at most, so that a great cleaning does not keep everybody else waiting."""


class SqliteTables:
    """The table of messages, with figures that go back with the transaction if it fails. For one thread."""

    def __init__(self, connection: sqlite3.Connection, path: Path, settings: OfflineConfig) -> None:
        """Take over an open database (see :func:`~quicgw_fast.store.sqlite_file.open_database`), the file ``path``."""
        self._db = connection
        self._path = path
        self._identity = identity(path)
        self._room: int | None = None
        """Bytes that this transaction may still add; None before they were asked for."""
        self._full = False
        self._settings = settings
        messages, size = connection.execute("SELECT count(*), coalesce(sum(cost), 0) FROM message").fetchone()
        self._now = StoreStats(messages, size)
        self._written = connection.total_changes
        self.committed = self._now
        """The figures as of the last commit; replaced as a whole, so that any thread may read them."""

    def begin(self) -> None:
        """Begin a transaction.

        Raises FileGone where the file is not under its name any more. SQLite would not mind: what it commits to a
        deleted file is there until the process ends, and then it never was.
        """
        self._room = None
        if identity(self._path) != self._identity:
            raise FileGone(f"{self._path} was replaced by another file")
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> bool:
        """Make everything since :meth:`begin` durable; return whether that was anything at all."""
        self._db.execute("COMMIT")
        self.committed = self._now
        before, self._written = self._written, self._db.total_changes
        return self._written > before

    def rollback(self) -> None:
        """Undo everything since :meth:`begin`."""
        self._now = self.committed
        if self._db.in_transaction:  # after some errors SQLite has rolled back by itself
            self._db.execute("ROLLBACK")
        self._written = self._db.total_changes  # SQLite also counts what was undone

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def put(self, openid: str, body: bytes, wall: float, terms: Terms = NO_TERMS) -> PutResult:
        """Insert a message, perhaps in place of an older one, or say why not."""
        self.expire_of(openid, wall)
        older = self._of_key(openid, terms.key)
        refusal = self._refusal(openid, body, wall, older)
        if refusal is not None:
            self._now = self._now.plus(refused=1)
            return refusal
        price = cost(openid, body)
        if not self._takes(price):
            self._now = self._now.plus(refused=1)
            return PutResult(0, StoreCode.FAILED, "the disk of the offline store is full")
        if older is not None:
            self._remove([(older.id, cost(openid, older.body))])
            self._now = self._now.plus(superseded=1)
        row = self._db.execute(
            "INSERT INTO message (openid, stored_at, cost, body, expires_at, supersede_key) VALUES (?, ?, ?, ?, ?, ?)",
            (openid, wall, price, body, terms.expires_at if terms.expires_at < math.inf else None, terms.key),
        )
        self._now = self._now.plus(messages=1, bytes=price, stored=1)
        assert row.lastrowid is not None  # it was an INSERT
        return PutResult(row.lastrowid, replaced=0 if older is None else older.id)

    def _of_key(self, openid: str, key: str) -> Stored | None:
        """Return the message with that supersede key."""
        found = f"SELECT {_COLUMNS} FROM message WHERE openid = ? AND supersede_key = ?"
        row = self._db.execute(found, (openid, key)).fetchone() if key else None
        return None if row is None else Stored(*row)

    def _takes(self, size: int) -> bool:
        """Say whether the disk has room for so many bytes more.

        On a disk that is nearly full, messages must not eat up what deletions need. One takes room twice: in the log,
        which has some of its own, and in the database, where it may take the place of what was deleted.
        """
        if self._room is None:
            (pages,) = self._db.execute("PRAGMA freelist_count").fetchone()
            free = max(0, free_bytes(self._path) - SPARE_BYTES) // 2
            self._room = free + min(pages * PAGE_BYTES, LOG_BYTES // 4)
            if self._full and free > LOG_BYTES:
                self._full = False
                _log.warning("offline store has room again")
        self._room -= size
        if self._room < 0 and not self._full:  # one line, not one for each message
            self._full = True
            _log.error("offline store full")
        return self._room >= 0

    def put_all(self, openid: str, messages: Sequence[tuple[bytes, Terms]], wall: float) -> list[PutResult]:
        """Insert messages in their order, each that is not refused."""
        return [self.put(openid, body, wall, terms) for body, terms in messages]

    def load(self, openid: str, wall: float) -> list[Stored]:
        """Return the messages of ``openid`` by id, without the too old ones. Only reads: a full disk can do that."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM message WHERE openid = ? AND NOT ({_OVER}) ORDER BY id",
            (openid, oldest_kept(self._settings, wall), wall),
        )
        return [Stored(*row) for row in rows]

    def delete(self, openid: str, ids: Iterable[int]) -> int:
        """Delete these messages if they are of ``openid``; return how many were."""
        found = "SELECT id, cost FROM message WHERE id = ? AND openid = ?"
        rows = [row for number in set(ids) for row in self._db.execute(found, (number, openid))]
        self._remove(rows)
        self._now = self._now.plus(deleted=len(rows))
        return len(rows)

    def expire(self, wall: float) -> int:
        """Remove at most :data:`SWEEP_STEP` of the messages that are over; return how many."""
        return self._expire(
            f"SELECT id, cost FROM message WHERE {_OVER} LIMIT ?",
            (oldest_kept(self._settings, wall), wall, SWEEP_STEP),
        )

    def expire_of(self, openid: str, wall: float) -> int:
        """Remove the messages of ``openid`` that are over; return how many."""
        limit = oldest_kept(self._settings, wall)
        return self._expire(f"SELECT id, cost FROM message WHERE openid = ? AND ({_OVER})", (openid, limit, wall))

    def _expire(self, query: str, arguments: tuple[str | float, ...]) -> int:
        rows = self._db.execute(query, arguments).fetchall()
        self._remove(rows)
        self._now = self._now.plus(expired=len(rows))
        return len(rows)

    def _remove(self, rows: list[tuple[int, int]]) -> None:
        self._db.executemany("DELETE FROM message WHERE id = ?", [(number,) for number, _ in rows])
        self._now = self._now.plus(messages=-len(rows), bytes=-sum(price for _, price in rows))

    def _refusal(self, openid: str, body: bytes, wall: float, older: Stored | None) -> PutResult | None:
        """Say why not; ``older`` goes when this one comes."""
        if (refusal := refusal_of(self._settings, openid, body)) is not None:
            return refusal
        messages, size = self._db.execute(
            "SELECT count(*), coalesce(sum(length(body)), 0) FROM message WHERE openid = ?", (openid,)
        ).fetchone()
        gone, freed, price = (0, 0, 0) if older is None else (1, len(older.body), cost(openid, older.body))
        if (refusal := crowded(self._settings, body, messages - gone, size - freed)) is not None:
            return refusal
        if exhausted(self._settings, openid, body, self._now.bytes - price) is None:
            return None
        self.expire(wall)
        return exhausted(self._settings, openid, body, self._now.bytes - price)
