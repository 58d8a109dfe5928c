"""A gateway that is one of many: the desk at which others are served, the way to them, and the member that it is.

Nothing of it is imported unless ``cluster.url`` is set.
"""

from quicgw_fast.joining.factory import join, try_joining

__all__ = ["join", "try_joining"]
