"""What the gateway tells about itself: counts and logs."""

from quicgw_fast.observe.door import Door
from quicgw_fast.observe.logs import configure_logging, lines_dropped
from quicgw_fast.observe.metrics import Counter, Metrics
from quicgw_fast.observe.writer import Writer, write_if_free

__all__ = ["Counter", "Door", "Metrics", "Writer", "configure_logging", "lines_dropped", "write_if_free"]
