"""The offline store: pushes to an openid that is not there, kept until its next login.

What was answered as stored stays until it is deleted or too old; what does not fit is refused, never dropped
later.
"""

from __future__ import annotations

from quicgw_fast.store.base import NO_TERMS, OfflineStore, PutResult, Stored, StoreFailed, StoreStats, Terms
from quicgw_fast.store.factory import make_store
from quicgw_fast.store.memory import MemoryStore
from quicgw_fast.store.sqlite import SqliteStore

__all__ = [
    "NO_TERMS",
    "MemoryStore",
    "OfflineStore",
    "PutResult",
    "SqliteStore",
    "StoreFailed",
    "StoreStats",
    "Stored",
    "Terms",
    "make_store",
]
