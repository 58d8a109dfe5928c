"""The figures of the offline store, which knows no metrics: they are read when somebody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.observe import Unit

if TYPE_CHECKING:
    from quicgw_fast.observe import Metrics
    from quicgw_fast.store import OfflineStore


def register_store(metrics: Metrics, store: OfflineStore) -> None:
    """Register what ``store`` counts; a gateway without one shows none of it."""
    metrics.gauge("offline_messages", "Messages in the offline store", lambda: store.stats().messages)
    metrics.gauge("offline_size", "What those in the offline store take", lambda: store.stats().bytes, Unit.BYTES)
    metrics.total("offline_stored", "Messages that the offline store took", lambda: store.stats().stored)
    metrics.total("offline_refused", "Messages that the offline store was too full for", lambda: store.stats().refused)
    metrics.total("offline_expired", "Messages that grew too old in the offline store", lambda: store.stats().expired)
    metrics.total(
        "offline_superseded",
        "Messages that newer ones replaced in the offline store",
        lambda: store.stats().superseded,
    )
    metrics.total("offline_deleted", "Messages that were deleted, as they are done", lambda: store.stats().deleted)
