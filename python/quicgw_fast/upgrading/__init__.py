"""A restart that keeps sessions: a process starts its successor, and gives it ports, clients and sessions."""

from quicgw_fast.upgrading.estate import Estate
from quicgw_fast.upgrading.heritage import Heritage, Started
from quicgw_fast.upgrading.line import refuse
from quicgw_fast.upgrading.ports import HeldPorts
from quicgw_fast.upgrading.succession import Succession
from quicgw_fast.upgrading.successor import UpgradeRefused, spawner

__all__ = ["Estate", "HeldPorts", "Heritage", "Started", "Succession", "UpgradeRefused", "refuse", "spawner"]
