"""What the gateway tells about itself: counts and logs."""

from quicgw_fast.observe.counters import Counters
from quicgw_fast.observe.door import Door
from quicgw_fast.observe.logs import configure_logging

__all__ = ["Counters", "Door", "configure_logging"]
