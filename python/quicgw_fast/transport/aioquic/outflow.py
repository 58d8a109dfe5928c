"""What goes out on a connection's one stream: queued before there is a stream, and never more than the peer takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.transport.aioquic.short_receiving import STREAM
from quicgw_fast.transport.pressure import Pressure, Signal

if TYPE_CHECKING:
    from quicgw_fast.transport.aioquic.core import GatewayQuic
    from quicgw_fast.transport.backlog import Backlog, Debtor
    from quicgw_fast.transport.limits import TransportLimits


class Outflow:
    """The sending side of a connection; the clock is an argument."""

    __slots__ = ("_backlog", "_core", "_debtor", "_early", "_high_water", "_pressure")

    def __init__(self, core: GatewayQuic, limits: TransportLimits, backlog: Backlog, debtor: Debtor) -> None:
        """``debtor`` is who gives up when all peers together leave too much unacknowledged in ``backlog``."""
        self._core = core
        self._backlog = backlog
        self._debtor = debtor
        self._high_water = limits.high_water
        self._pressure = Pressure(limits)
        self._early = bytearray()
        """Bytes given before the peer opened the stream: there is no stream yet that they could go on."""

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
        queued = self._queue(data)
        self._backlog.note(self._debtor, self.pending)
        return queued

    def update(self) -> None:
        """Let go what waited for the peer to open the stream, if it has, and note what it has acknowledged."""
        if self._early and self._core.has_stream():
            data, self._early = bytes(self._early), bytearray()
            self._core.send_stream_data(STREAM, data)
        self._backlog.note(self._debtor, self.pending)

    def look(self, now: float) -> Signal:
        """Judge how the peer takes what was written."""
        pending = self.pending
        if pending <= self._high_water and not self._pressure.active:
            return Signal.NONE
        return self._pressure.look(pending, self._core.progress(), now)

    def stop(self) -> None:
        """Judge nothing any more: the connection is closed."""
        self._pressure.stop()

    def drop(self) -> None:
        """Keep nothing of what is not acknowledged: it will not be sent again."""
        self._early = bytearray()
        self._core.forget_unacked()
        self._backlog.note(self._debtor, 0)

    def _queue(self, data: bytes) -> bool:
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
