"""A node without a way to the others."""

from __future__ import annotations

import pytest

from quicgw_fast.cluster.peers import Alone, PeerUnreachable
from quicgw_fast.placement import UNCOUNTED


async def test_a_node_that_is_alone_reaches_nobody() -> None:
    alone = Alone()
    for call in (
        alone.fetch("b.1", "alice", 1, 2, (), UNCOUNTED),
        alone.confirm("b.1", "alice", 1),
        alone.vouch("b.1", "e"),
    ):
        with pytest.raises(PeerUnreachable, match=r"this node has no way to b\.1"):
            await call
