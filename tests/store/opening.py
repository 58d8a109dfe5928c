"""A store of each kind: in memory, in a file, and in a directory of each server that is there."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from quicgw_fast.clock import SystemClock
from quicgw_fast.cluster.address import DirectoryAddress
from quicgw_fast.cluster.keys import Keys
from quicgw_fast.cluster.link import DirectoryLink
from quicgw_fast.cluster.offline_store import DirectoryStore
from quicgw_fast.cluster.store_scripts import OF_STORE
from quicgw_fast.config import OfflineConfig
from quicgw_fast.observe import Metrics
from quicgw_fast.store import make_store
from tests.support.directory_server import DirectoryServer, binaries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from quicgw_fast.store import OfflineStore

SERVERS = sorted(binaries())
KINDS = ["memory", "sqlite", *SERVERS]


class Stores:
    """Opens them, each empty; directories go on from test to test."""

    def __init__(self) -> None:
        self._servers: dict[str, DirectoryServer] = {}
        self._names = itertools.count()

    async def open(self, kind: str, folder: Path, **bounds: Any) -> OfflineStore:
        number = next(self._names)
        if kind in SERVERS:
            return await open_shared(self.url(kind), f"store-{number}", **bounds)
        made = make_store(OfflineConfig.model_construct(store=kind, path=folder / f"store-{number}.db", **bounds))
        assert made is not None
        return made

    def url(self, kind: str) -> str:
        """Of the directory, which is started if it is not there yet."""
        if kind not in self._servers:
            self._servers[kind] = DirectoryServer(kind, durable=False)
            self._servers[kind].start()
        return self._servers[kind].url

    def close(self) -> None:
        for server in self._servers.values():
            server.close()


async def open_shared(
    url: str,
    name: str,
    node: str = "me",
    tell: Callable[[str, str], None] = lambda node, openid: None,
    *,
    within: float = 10.0,
    max_backlog: int = 8 << 20,
    **bounds: Any,
) -> DirectoryStore:
    """A node's part of the store of the cluster ``name``, connected; its directory has ``within`` seconds to answer."""
    link = DirectoryLink(
        DirectoryAddress(url),
        SystemClock(),
        Metrics(),
        answer_within=within,
        longest_pause=0.1,
        changed=lambda: None,
        scripts=OF_STORE,
        use="offline store",
    )
    settings = OfflineConfig.model_construct(store="directory", **bounds)
    store = DirectoryStore(link, Keys(name), node, settings, tell, max_backlog=max_backlog)
    await store.start()
    return store
