"""Where does this openid live? The seam, and its makers by name (``makers``); no gateway but this one, no sockets."""

from quicgw_fast.placement.replicas import ReplicaKeeper, ReplicaRecord, Written
from quicgw_fast.placement.seam import HERE, UNCOUNTED, Answer, Attempt, LostSession, Place, Placement, PlaceTrouble

__all__ = [
    "HERE",
    "UNCOUNTED",
    "Answer",
    "Attempt",
    "LostSession",
    "Place",
    "PlaceTrouble",
    "Placement",
    "ReplicaKeeper",
    "ReplicaRecord",
    "Written",
]
