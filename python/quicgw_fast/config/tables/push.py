"""``[push]``: what services may ask for with a push (protocol §4)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from quicgw_fast.config.tables.base import Section
from quicgw_fast.config.values import duration, number

MOST_RECEIPTS = 3072
"""Each may hold a call of the gRPC port, of which there are 4096."""


class PushConfig(Section):
    """``[push]``: what services may ask for with a push (protocol §4)."""

    live: ClassVar = frozenset(
        {
            *("idempotency_ttl", "idempotency_keys", "receipts", "receipts_per_client", "longest_wait"),
            *("group_memberships",),
        }
    )

    idempotency_ttl: Annotated[float, duration("1ms", "1d")] = 300.0
    """How long the answer to a push with an idempotency key is remembered."""
    idempotency_keys: Annotated[int, number(1, 1_000_000, "keys")] = 65_536
    """Keys that are remembered, each some 500 bytes, and as many of pushes to groups; of more, the oldest is forgotten
    before its time."""
    receipts: Annotated[int, number(0, MOST_RECEIPTS, "pushes")] = 2048
    """Pushes that wait for their acknowledgement; more are refused with ``RECEIPT_LIMIT``."""
    receipts_per_client: Annotated[int, number(0, MOST_RECEIPTS, "pushes")] = 256
    """The same, of one openid."""
    group_memberships: Annotated[int, number(0, 10_000_000, "memberships")] = 500_000
    """Memberships of sessions in groups, for all sessions together, each some 150 bytes, or up to 700 where every group
    has one member; more are refused with ``GROUP_LIMIT``."""
    longest_wait: Annotated[float, duration("1ms", "1h")] = 300.0
    """The longest ``wait_ack_ms``, and how long receipts are waited for where none is given."""
