"""The asynchronous request processor: bounded queue, workers, deadlines (contract §3)."""

from quicgw_fast.processor.execute import Outcome, execute
from quicgw_fast.processor.processor import AsyncRequestProcessor, Ports
from quicgw_fast.processor.task import AsyncTask

__all__ = ["AsyncRequestProcessor", "AsyncTask", "Outcome", "Ports", "execute"]
