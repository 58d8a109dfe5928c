"""The transport's two ends as tests use them: what a test does not name is as usual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicgw_fast import transport
from quicgw_fast.clock import SystemClock
from quicgw_fast.ports import GATESVR
from quicgw_fast.transport import TransportLimits
from quicgw_fast.transport.reading import Eager
from quicgw_fast.transport.reset_key import new_reset_key
from tests.support.gatekeeper import gatekeeper

if TYPE_CHECKING:
    from quicgw_fast.codes import HandshakeFault
    from quicgw_fast.transport import Connection, Listener


class Watch:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.peers: list[str] = []
        self.reasons: list[str] = []
        self.refusals: list[tuple[str, str]] = []
        self.throttled: list[str] = []

    def handshake_failed(self, fault: HandshakeFault, peer: str, reason: str) -> None:
        self.faults.append(fault.value)
        self.peers.append(peer)
        self.reasons.append(reason)

    def connection_refused(self, peer: str, reason: str) -> None:
        self.refusals.append((peer.partition(":")[0], reason))

    def peer_throttled(self, peer: str) -> None:
        self.throttled.append(peer)


async def listen(host: str, port: int, **options: Any) -> Listener:
    """``transport.listen`` with ``options``, and what it must be given besides."""
    usual = {
        "alpn": (GATESVR,),
        "limits": TransportLimits(),
        "gatekeeper": gatekeeper(),
        "observer": Watch(),
        "reset_key": new_reset_key(),
        "clock": SystemClock(),
        "pace": Eager(),
    }
    return await transport.listen(host, port, **(usual | options))


async def dial(host: str, port: int, **options: Any) -> Connection:
    """``transport.dial`` with ``options``, and what it must be given besides."""
    usual = {"timeout": 10.0, "alpn": (GATESVR,), "limits": TransportLimits(), "clock": SystemClock()}
    return await transport.dial(host, port, **(usual | options))
