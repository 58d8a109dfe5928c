"""What goes out on a connection's one stream: queued before there is a stream, and never more than the peer takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.transport.aioquic.receiving import STREAM
from quicgw_fast.transport.pressure import Pressure, Signal

if TYPE_CHECKING:
    from quicgw_fast.transport.aioquic.core import GatewayQuic
    from quicgw_fast.transport.limits import TransportLimits


class Outflow:
    """The sending side of a connection; the clock is an argument."""

    __slots__ = ("_core", "_early", "_high_water", "_pressure")

    def __init__(self, core: GatewayQuic, limits: TransportLimits) -> None:
        self._core = core
        self._high_water = limits.high_water
        self._pressure = Pressure(limits)
        # Bytes given before the peer opened the stream: there is no stream yet that they could go on.
        self._early = bytearray()

    @property
    def pending(self) -> int:
        """Bytes that were written and that the peer's QUIC has not acknowledged."""
        return self._core.unacked() + len(self._early)

    @property
    def progress(self) -> int:
        """Bytes that the peer's QUIC has acknowledged without a gap, since the beginning."""
        return self._core.progress()

    @property
    def deadline(self) -> float:
        """When the peer counts as stalled if it acknowledges nothing more; infinite when nothing is owed."""
        return self._pressure.deadline

    def ready(self) -> bool:
        """Whether more may be written; False arms ``Signal.WRITABLE``, so that no one who waits is forgotten."""
        if self.pending <= self._high_water:
            return True
        self._pressure.owed = True
        return False

    def write(self, data: bytes) -> bool:
        """Queue bytes; True when QUIC has something to send now."""
        if self._early:
            self._early += data
            return False
        try:
            self._core.send_stream_data(STREAM, data)
        except ValueError:
            self._early += data
            return False
        except RuntimeError:
            return False  # the peer stopped the stream: the event that says so is about to end the connection
        return True

    def flush_early(self) -> None:
        """Let go what waited for the peer to open the stream, if it has."""
        if self._early and self._core.has_stream():
            data, self._early = bytes(self._early), bytearray()
            self._core.send_stream_data(STREAM, data)

    def look(self, now: float) -> Signal:
        """Judge how the peer takes what was written."""
        pending = self.pending
        if pending <= self._high_water and not self._pressure.active:
            return Signal.NONE
        return self._pressure.look(pending, self._core.progress(), now)

    def stop(self) -> None:
        """Nothing is judged any more: the connection is closed."""
        self._pressure.stop()
