"""From settings to a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.errors import ConfigError, about
from quicgw_fast.store.memory import MemoryStore
from quicgw_fast.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from quicgw_fast.config import OfflineConfig
    from quicgw_fast.store.base import OfflineStore


def make_store(settings: OfflineConfig) -> OfflineStore | None:
    """Make the store of the settings; ``None`` for ``"off"``. Opens the database, which may take some 100 ms.

    That in a directory is made by who knows it (``cluster.offline_store``).

    Raises ConfigError for an unknown kind, bounds that hold nothing, or a file that cannot be used, and StartupError
    when another process has the file.
    """
    if settings.store == "off":
        return None
    for name in ("max_messages", "max_bytes", "max_total_bytes", "max_age"):
        value = getattr(settings, name)
        if not value > 0:
            raise ConfigError(
                f'offline.{name} = {value} keeps nothing. Give more than 0, or set offline.store = "off".'
            )
    if settings.store == "memory":
        return MemoryStore(settings)
    if settings.store == "sqlite":
        if settings.path is None:
            raise ConfigError('offline.store = "sqlite" needs offline.path, the database file.')
        with about("offline", "path"):
            return SqliteStore(settings.path, settings)
    if settings.store == "directory":
        raise ConfigError('offline.store = "directory" needs cluster.url, the directory.')
    raise ConfigError(
        f'offline.store = "{settings.store}" is unknown. Set it to "off", "memory", "sqlite" or "directory".'
    )
