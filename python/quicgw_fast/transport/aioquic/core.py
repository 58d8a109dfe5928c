"""``GatewayQuic``: aioquic's state machine as our connections use it.

aioquic is a sans-I/O state machine: datagrams and time go in, datagrams and events come out. It leaves out some
defences and lets some memory grow, so single steps of it are overridden, in three classes that stand on each other:
``receiving`` (what a peer's packets may do), ``sending`` (what goes out, and when) and this one (its ids, what is
asked of it, and its end). These three modules alone know aioquic's private names; everything else uses the methods
without a leading underscore. Tests say what a new release must not change unnoticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioquic.quic.connection import (
    NetworkAddress,
    QuicConnectionId,
    QuicConnectionState,
)
from aioquic.quic.packet import QuicErrorCode, QuicFrameType

from quicgw_fast.transport.aioquic.sending import SendingQuic
from quicgw_fast.transport.aioquic.short_receiving import STREAM
from quicgw_fast.transport.termination import Termination

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioquic.quic.configuration import QuicConfiguration

    from quicgw_fast.transport.aioquic.receiving import ReceivingQuic
    from quicgw_fast.transport.aioquic.short_receiving import ShortCounters
    from quicgw_fast.transport.budget import CommonBudget
    from quicgw_fast.transport.limits import TransportLimits


class _Silent:
    """Stands in for aioquic's logger, which writes peers' reason phrases unescaped and costs time."""

    def debug(self, *_: object) -> None: ...

    info = warning = error = debug


_SILENT = _Silent()

BUSY_PARTS = (
    "tls", "_cryptos", "_cryptos_initial", "_crypto_buffers", "_crypto_streams", "_spaces", "_loss", "_host_cids",
    "_QuicConnection__frame_handlers", "_gw_handlers", "_gw_tell_unread", "gw_cid_issued", "gw_space", "gw_keys",
    "gw_crypto", "_remote_version_information",
)  # fmt: skip
"""What only packets and clocks need of a connection: most of its memory, and what refers back to it."""


class GatewayQuic(SendingQuic):
    """An aioquic connection with our connection ids; every id is told to ``cid_issued`` before a peer can use it."""

    def __init__(
        self,
        *,
        configuration: QuicConfiguration,
        limits: TransportLimits,
        cid_issued: Callable[[bytes], None],
        connection_ids: Callable[[], bytes],
        reset_token: Callable[[bytes], bytes] | None = None,
        original_destination_cid: bytes | None = None,
        retry_source_cid: bytes | None = None,
        unread: Callable[[ReceivingQuic], None] | None = None,
        common: CommonBudget | None = None,
        short_counters: ShortCounters | None = None,
    ) -> None:
        super().__init__(
            configuration=configuration,
            limits=limits,
            unread=unread,
            common=common,
            short_counters=short_counters,
            original_destination_connection_id=original_destination_cid,
            retry_source_connection_id=retry_source_cid,
        )
        self._logger = _SILENT  # type: ignore[assignment]
        self._loss._logger = None
        self.gw_cid_issued = cid_issued
        self.gw_connection_ids = connection_ids
        self.gw_reset_token = reset_token
        self._gw_name(self._host_cids[0])
        self.host_cid = self._local_initial_source_connection_id = self._host_cids[0].cid
        cid_issued(self.host_cid)

    # What the connection asks

    def established(self) -> bool:
        """Tell whether the TLS handshake is done on this side."""
        return self._handshake_complete

    def untouched(self) -> bool:
        """Tell whether nothing that could be decrypted has arrived yet."""
        return self._state is QuicConnectionState.FIRSTFLIGHT

    def has_stream(self) -> bool:
        """Tell whether the stream is open; a server cannot send before its client opened it."""
        return STREAM in self._streams

    def unacked(self) -> int:
        """Return how many bytes of the stream were sent or queued and are not acknowledged."""
        stream = self._streams.get(STREAM)
        if stream is None or stream.sender._reset_error_code is not None:
            return 0  # no stream, or the peer stopped it: nothing will be acknowledged any more
        return len(stream.sender._buffer)

    def forget_unacked(self) -> None:
        """Drop what the peer has not acknowledged; only for a connection that closes and sends nothing but that."""
        if (stream := self._streams.get(STREAM)) is not None:
            stream.sender._buffer = bytearray()

    def progress(self) -> int:
        """Return how many bytes of the stream the peer has acknowledged without a gap."""
        stream = self._streams.get(STREAM)
        return 0 if stream is None else stream.sender._buffer_start

    def ended(self) -> Termination | None:
        """Return how the connection ended as soon as that is known; aioquic's event comes 3 PTO later."""
        event = self._close_event
        if event is None:
            return None
        return Termination(
            event.error_code,
            event.frame_type,
            event.reason_phrase,
            self._state is QuicConnectionState.DRAINING,
            self.gw_finding,
        )

    def validated_address(self) -> NetworkAddress | None:
        """Return the peer's address that was validated last, or before that the one its first packet came from.

        aioquic's own answer is where it sends to, which any packet with a forged source moves for a while.
        """
        for path in self._network_paths:
            if path.is_validated:
                return path.addr
        return self.get_peer_address()

    def peer_reset_tokens(self) -> list[bytes]:
        """Return the stateless reset tokens of the peer's connection ids that are in use or in reserve."""
        cids = [self._peer_cid, *self._peer_cid_available]
        return [cid.stateless_reset_token for cid in cids if cid.stateless_reset_token]

    # Its end

    def close(
        self,
        error_code: int = QuicErrorCode.NO_ERROR,
        frame_type: int | None = None,
        reason_phrase: str = "",
    ) -> None:
        """Close; a transport error stays one, even where aioquic forgets to name a frame type."""
        if frame_type is None and isinstance(error_code, QuicErrorCode):
            frame_type = QuicFrameType.PADDING
        super().close(error_code, frame_type, reason_phrase)

    def closing_datagrams(self, code: int, reason: str, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Close with an application error code, and build the closing packets; none without an address or a key."""
        self.close(error_code=code, reason_phrase=reason)
        return self.datagrams_to_send(now) if self._network_paths and self._cryptos else []

    def dismantle(self) -> None:
        """Keep only what may be asked of a connection that has ended; nothing can be received or sent any more.

        Its parts refer to each other. Whole, it would wait for the collector of garbage, and with it some fifty KiB,
        much of that in OpenSSL's contexts, of which the collector knows nothing.
        """
        for name in BUSY_PARTS:
            self.__dict__.pop(name, None)
        self._peer_cid_available = []

    # Steps of aioquic that are done differently

    def _parse_transport_parameters(self, data: bytes, from_session_ticket: bool = False) -> None:
        super()._parse_transport_parameters(data, from_session_ticket)
        if self._remote_max_idle_timeout == 0:
            # Zero means that the peer has no idle timeout (RFC 9000 §18.2), not that it has run out.
            self._remote_max_idle_timeout = None

    def _replenish_connection_ids(self) -> None:
        known = len(self._host_cids)
        super()._replenish_connection_ids()
        for cid in self._host_cids[known:]:
            self._gw_name(cid)
            # The peer may use an id as soon as it has it: it must be routed before it is sent.
            self.gw_cid_issued(cid.cid)

    def _gw_name(self, cid: QuicConnectionId) -> None:
        """Replace the id and the reset token that aioquic has chosen; nothing of them has left yet."""
        cid.cid = self.gw_connection_ids()
        if self.gw_reset_token is not None:
            cid.stateless_reset_token = self.gw_reset_token(cid.cid)
