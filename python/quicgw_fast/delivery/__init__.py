"""The ordered way down: from the outbox to the client's connection (protocol §4, §5)."""

from quicgw_fast.delivery.barrier import Barrier
from quicgw_fast.delivery.barrier_sender import BarrierSender
from quicgw_fast.delivery.notify import notify_body
from quicgw_fast.delivery.sender import CHUNK, OrderedSender

__all__ = ["CHUNK", "Barrier", "BarrierSender", "OrderedSender", "notify_body"]
