"""What a push asks for beside being sent: read, judged, and made a parcel of (protocol §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import PushCode, SyncHint
from quicgw_fast.flow.receipts import Receipts
from quicgw_fast.flow.targets import PushRefused

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.config import PushConfig
    from quicgw_fast.flow.receipts import Receipt
    from quicgw_fast.flow.tracking import Tracking
    from quicgw_fast.observe import Metrics
    from quicgw_fast.proto.service_pb2 import UnicastPushRequest
    from quicgw_fast.session import Asker, Parcel

LONGEST_KEY = 64
"""Bytes of a supersede key."""


class Parcels:
    """Makes them of pushes; of most there is nothing to make."""

    def __init__(self, clock: Clock, metrics: Metrics, tracking: Tracking, settings: PushConfig) -> None:
        self._receipts = Receipts(clock, metrics, settings)
        self._tracking = tracking

    def reconfigure(self, settings: PushConfig) -> None:
        """Judge by other bounds from now on."""
        self._receipts.reconfigure(settings)

    def stop(self) -> None:
        """Have nobody wait any more: what has not become of a parcel by now becomes of it after a restart."""
        self._receipts.stop()

    def open(self, request: UnicastPushRequest, openid: str, *, follow: bool) -> Receipt | None:
        """Judge what a push to that openid asks for, and begin to wait if it wants that; raises PushRefused.

        With ``follow`` it wants that in any case.
        """
        waits = follow or request.wait_ack_ms > 0
        if not (waits or request.supersede_key):
            return None
        if len(request.supersede_key.encode()) > LONGEST_KEY:
            raise PushRefused(PushCode.BAD_OPTIONS, f"supersede_key may have {LONGEST_KEY} bytes")
        if request.supersede_key and int(request.sync_hint) != SyncHint.IMMEDIATELY:
            told = "a notify that is bound to a request has its place: it has no supersede_key"
            raise PushRefused(PushCode.BAD_OPTIONS, told)
        if not waits:
            return None
        return self._receipts.open(openid, request.wait_ack_ms, kept=bool(request.idempotency_key))

    def make(self, request: UnicastPushRequest, asker: Asker | None) -> Parcel | None:
        """Make the parcel of what one session, or the store, is about to get; most pushes have none."""
        if asker is None and not request.ttl_ms and not request.supersede_key:
            return None
        return self._tracking.begin(request.ttl_ms, request.supersede_key, asker)
