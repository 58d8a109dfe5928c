"""What the gateway tells about itself: counts and logs."""

from quicgw_fast.observe.buffers import BufferKind, Filling, register_buffer
from quicgw_fast.observe.descriptors import Descriptors
from quicgw_fast.observe.door import Door, register_listener
from quicgw_fast.observe.logs import MOST_WAITING, bytes_waiting, configure_logging, lines_dropped, set_level
from quicgw_fast.observe.metrics import Counter, Metrics, Unit
from quicgw_fast.observe.stats import render_stats
from quicgw_fast.observe.watcher import Watcher

__all__ = [
    "MOST_WAITING",
    "BufferKind",
    "Counter",
    "Descriptors",
    "Door",
    "Filling",
    "Metrics",
    "Unit",
    "Watcher",
    "bytes_waiting",
    "configure_logging",
    "lines_dropped",
    "register_buffer",
    "register_listener",
    "render_stats",
    "set_level",
]
