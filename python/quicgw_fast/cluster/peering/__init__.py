"""What nodes say to each other over gRPC: the server of a node, its lines to the others, and what goes over them."""

from quicgw_fast.cluster.peering.access import NodeAccess
from quicgw_fast.cluster.peering.client import NodeClient
from quicgw_fast.cluster.peering.server import NodeDesk, NodeServer

__all__ = ["NodeAccess", "NodeClient", "NodeDesk", "NodeServer"]
