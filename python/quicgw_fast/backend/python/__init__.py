"""The engine in plain Python: the readable reference for the compiled one, without dependencies."""

from __future__ import annotations

from typing import Final

from quicgw_fast.backend.python.budget import ByteBudget
from quicgw_fast.backend.python.forward import ForwardedRequest, forward
from quicgw_fast.backend.python.frame import FrameDecoder
from quicgw_fast.backend.python.notify import NotifyBuffers
from quicgw_fast.backend.python.outbox import Outbox, push_to_all
from quicgw_fast.backend.python.queue import TaskQueue
from quicgw_fast.backend.python.rate import Rate, TokenBucket
from quicgw_fast.backend.python.sequence import SequenceAllocator
from quicgw_fast.backend.python.wire import encode_body

NAME: Final = "python"

__all__ = [
    "NAME",
    "ByteBudget",
    "ForwardedRequest",
    "FrameDecoder",
    "NotifyBuffers",
    "Outbox",
    "Rate",
    "SequenceAllocator",
    "TaskQueue",
    "TokenBucket",
    "encode_body",
    "forward",
    "push_to_all",
]
