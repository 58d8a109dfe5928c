"""The ordered way down: from the outbox to the client's connection (protocol §4, §5)."""

from quicgw_fast.delivery.notify import notify_body
from quicgw_fast.delivery.sender import CHUNK, OrderedSender

__all__ = ["CHUNK", "OrderedSender", "notify_body"]
