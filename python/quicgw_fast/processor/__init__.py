"""The asynchronous request processor: bounded queue, turns, workers, deadlines (protocol §3)."""

from quicgw_fast.processor.deadlines import Deadlines
from quicgw_fast.processor.execute import execute, too_late
from quicgw_fast.processor.places import Denial
from quicgw_fast.processor.processor import AsyncRequestProcessor
from quicgw_fast.processor.task import AsyncTask

__all__ = ["AsyncRequestProcessor", "AsyncTask", "Deadlines", "Denial", "execute", "too_late"]
