"""One gateway out of many: the directory of who lives where, and what each may do by it. Imported with [cluster]."""

from quicgw_fast.cluster.node import ClusterNode, new_name

__all__ = ["ClusterNode", "new_name"]
