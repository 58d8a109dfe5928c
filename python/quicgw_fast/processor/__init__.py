"""The asynchronous request processor: bounded queue, turns, workers, deadlines (protocol §3)."""

from quicgw_fast.processor.deadlines import Deadlines, Timer
from quicgw_fast.processor.execute import Outcome, execute, too_late
from quicgw_fast.processor.processor import AsyncRequestProcessor, Ports
from quicgw_fast.processor.task import AsyncTask

__all__ = ["AsyncRequestProcessor", "AsyncTask", "Deadlines", "Outcome", "Ports", "Timer", "execute", "too_late"]
