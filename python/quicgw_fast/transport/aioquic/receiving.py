"""What a peer's packets may do to aioquic: ``ReceivingQuic``, the receiving half of our connection.

Nothing that a peer sends may cost more than in proportion to its length, and not much in proportion. aioquic walks
lists that the peer makes long (holes in streams, ranges of an ACK), and looks at frames one by one in Python. So
lists and frames are counted, and what a peer uses without moving data is booked against a budget.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

from aioquic._buffer import Buffer
from aioquic.quic.connection import (
    CONNECTION_LIMIT_FRAME_CAPACITY,
    MAX_STREAM_DATA_FRAME_CAPACITY,
    NetworkAddress,
    QuicConnectionError,
    QuicReceiveContext,
)
from aioquic.quic.packet import (
    QuicErrorCode,
    QuicFrameType,
    pull_ack_frame,
    pull_quic_transport_parameters,
    push_quic_transport_parameters,
)
from aioquic.tls import Epoch

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport.aioquic.distrust import finding_of
from quicgw_fast.transport.aioquic.short_receiving import STREAM, ShortReceiving
from quicgw_fast.transport.aioquic.short_sending import ShortSending
from quicgw_fast.transport.budget import CommonBudget, CpuBudget
from quicgw_fast.transport.packets import packets_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.packet_builder import QuicPacketBuilder
    from aioquic.quic.recovery import QuicPacketSpace
    from aioquic.quic.stream import QuicStream

    from quicgw_fast.transport.limits import TransportLimits
    from quicgw_fast.transport.termination import Finding


_LEAST_BUFFER = 64
"""Bytes of a buffer for TLS messages that do not come any more."""


class _Handlers:
    """Stands in for aioquic's table of frame handlers, which it asks once per frame: the place to count them.

    aioquic makes a hundred objects of it per connection. Here the table is shared, by the names of the handlers.
    """

    table: ClassVar[dict[int, tuple[str, Any]]] = {}
    """Frame type to the name of its handler and the encryption levels that it may come in."""

    __slots__ = ("_core", "left")

    def __init__(self, core: ReceivingQuic, stock: dict[int, tuple[Any, Any]]) -> None:
        self._core = core
        self.left = 0
        """How many more frames, and ranges in ACK frames, the packet in hand may have."""
        if not self.table:
            self.table.update((kind, (handler.__name__, epochs)) for kind, (handler, epochs) in stock.items())

    def __getitem__(self, frame_type: int) -> tuple[Any, Any]:
        self.take(1, frame_type)
        name, epochs = self.table[frame_type]
        return getattr(self._core, name), epochs

    def take(self, count: int, frame_type: int) -> None:
        self.left -= count
        if self.left < 0:
            raise QuicConnectionError(QuicErrorCode.PROTOCOL_VIOLATION, frame_type, "too many frames in one packet")


class ReceivingQuic(ShortSending):
    """An aioquic connection that takes only one stream, and only bounded work, from its peer."""

    def __init__(
        self,
        *,
        configuration: QuicConfiguration,
        limits: TransportLimits,
        unread: Callable[[ReceivingQuic], None] | None = None,
        common: CommonBudget | None = None,
        **options: Any,
    ) -> None:
        """``unread`` is called for every datagram that is dropped because its peer uses too much.

        ``common`` is what all peers of a listener may use together.
        """
        super().__init__(configuration=configuration, **options)
        self.gw_limits = limits
        self.short_path = limits.short_path
        self.gw_finding: Finding | None = None
        """Why the connection has ended, where aioquic has no code for it."""
        self.gw_unread = 0
        """Datagrams dropped unread, because they were too many or their peer had used up its time."""
        self._gw_tell_unread = unread
        self._gw_budget = CpuBudget(limits, common or CommonBudget(limits))
        self._gw_early = 0
        """Datagrams of the handshake, while it is not complete."""
        self._QuicConnection__frame_handlers: Any  # aioquic's own private name
        self._gw_handlers = self._QuicConnection__frame_handlers = _Handlers(self, self._QuicConnection__frame_handlers)
        for limit, streams in (
            (self._local_max_streams_bidi, 0 if configuration.is_client else 1),
            (self._local_max_streams_uni, 0),
        ):
            limit.value = limit.sent = streams

    def receive_datagram(self, data: bytes, addr: NetworkAddress, now: float) -> None:
        """Take a datagram, if the peer may still cause work; a client trusts its server with that."""
        if self._is_client:
            super().receive_datagram(data, addr, now)
            return
        if not self._gw_may_read(data, now):
            self.gw_unread += 1
            if self._gw_tell_unread is not None:
                self._gw_tell_unread(self)
            return
        # Not the thread's own time: asking for that is a system call, and may cost more than the datagram.
        begin = perf_counter()
        moved = self._receive_short(data, addr, now)
        if moved:
            self._gw_budget.earn(moved)
            return
        before = self._gw_moved()
        try:
            if moved is None:
                super(ShortReceiving, self).receive_datagram(data, addr, now)  # not the short path once more
        finally:
            self._gw_budget.charge(perf_counter() - begin, self._gw_moved() - before)
            if self._gw_early and self._handshake_complete:
                self._gw_end_handshake()

    def is_newcomer(self) -> bool:
        """Tell whether the peer has yet to earn what tells it from one that only connects; a server never has."""
        return not self._is_client and self._gw_budget.untried

    def _gw_end_handshake(self) -> None:
        self._gw_early = 0
        self._gw_budget.end_handshake()
        # aioquic writes TLS messages into three buffers of 16 KiB, which are most of a connection. There are no more.
        self._crypto_buffers = {epoch: Buffer(capacity=_LEAST_BUFFER) for epoch in self._crypto_buffers}

    def _gw_may_read(self, data: bytes, now: float) -> bool:
        if not self._handshake_complete:
            self._gw_early += 1
            if self._gw_early > self.gw_limits.early_datagrams:
                return False
        if data[0] & 0x80 and packets_in(data) > self.gw_limits.max_coalesced:
            return False
        return self._gw_budget.allows(now)

    def _gw_moved(self) -> int:
        """Return how many bytes of the stream have been delivered in order, to us and to the peer."""
        stream = self._streams.get(STREAM)
        return 0 if stream is None else stream.receiver._buffer_start + stream.sender._buffer_start

    # Steps of aioquic that are done differently

    def _serialize_transport_parameters(self) -> bytes:
        parameters = pull_quic_transport_parameters(Buffer(data=super()._serialize_transport_parameters()))
        parameters.max_udp_payload_size = self.gw_limits.max_datagram
        if not self._is_client:
            parameters.max_ack_delay = round(self.gw_limits.max_ack_delay * 1000)
        buf = Buffer(capacity=3 * self._max_datagram_size)
        push_quic_transport_parameters(buf, parameters)
        return buf.data

    def _payload_received(
        self, context: QuicReceiveContext, plain: bytes, crypto_frame_required: bool = False
    ) -> tuple[bool, bool]:
        limits = self.gw_limits
        self._gw_handlers.left = limits.max_frames if context.epoch is Epoch.ONE_RTT else limits.max_early_frames
        return super()._payload_received(context, plain, crypto_frame_required)

    def _handle_padding_frame(
        self,
        context: QuicReceiveContext,  # noqa: ARG002 - the signature is aioquic's
        frame_type: int,  # noqa: ARG002
        buf: Buffer,
    ) -> None:
        # Stock aioquic steps through the padding byte by byte.
        start = buf.tell()
        rest = buf.data_slice(start, buf.capacity)
        buf.seek(start + len(rest) - len(rest.lstrip(b"\0")))

    def _get_or_create_stream(self, frame_type: int, stream_id: int) -> QuicStream:
        if stream_id == STREAM:
            stream = self._streams.get(STREAM)
            if stream is not None:
                return stream
        elif not self._is_client and not stream_id & 1:
            raise _second_stream(f"stream {stream_id}")
        return super()._get_or_create_stream(frame_type, stream_id)

    def _handle_streams_blocked_frame(self, context: QuicReceiveContext, frame_type: int, buf: Buffer) -> None:
        start = buf.tell()
        wanted = buf.pull_uint_var()
        if not self._is_client:
            if frame_type == QuicFrameType.STREAMS_BLOCKED_UNI:
                raise _second_stream("a unidirectional stream")
            if wanted >= self._local_max_streams_bidi.value:
                raise _second_stream("a second stream")
        buf.seek(start)
        super()._handle_streams_blocked_frame(context, frame_type, buf)

    def _handle_stream_frame(self, context: QuicReceiveContext, frame_type: int, buf: Buffer) -> None:
        super()._handle_stream_frame(context, frame_type, buf)
        stream = self._streams.get(STREAM)
        if stream is not None and len(stream.receiver._ranges) > self.gw_limits.max_gaps:
            raise _application_error(CloseCode.PROTOCOL_ERROR, "too many gaps in the stream")

    def _handle_crypto_frame(self, context: QuicReceiveContext, frame_type: int, buf: Buffer) -> None:
        start = buf.tell()
        end = buf.pull_uint_var() + buf.pull_uint_var()
        buf.seek(start)
        if not self._is_client and end > self.gw_limits.max_crypto:
            # aioquic keeps half a megabyte of gaps, and gathers one TLS message of any length.
            raise QuicConnectionError(QuicErrorCode.CRYPTO_BUFFER_EXCEEDED, frame_type, "too much TLS data")
        try:
            super()._handle_crypto_frame(context, frame_type, buf)
        except QuicConnectionError as error:
            if (certificate := self.tls._peer_certificate) is not None:
                self.gw_finding, error.reason_phrase = finding_of(error, certificate)
            raise
        if len(self._crypto_streams[context.epoch].receiver._ranges) > self.gw_limits.max_crypto_gaps:
            raise QuicConnectionError(QuicErrorCode.CRYPTO_BUFFER_EXCEEDED, frame_type, "too many gaps in the TLS data")

    def _handle_ack_frame(self, context: QuicReceiveContext, frame_type: int, buf: Buffer) -> None:
        start = buf.tell()
        largest = buf.pull_uint_var()
        buf.pull_uint_var()
        self._gw_handlers.take(buf.pull_uint_var(), frame_type)
        buf.seek(start)
        never_sent = largest >= self._packet_number
        if not never_sent and self.gw_skipped is not None and largest >= self.gw_skipped:
            never_sent = _acknowledges(buf, self.gw_skipped)
            buf.seek(start)
            self.gw_skipped = None
        if never_sent:
            raise QuicConnectionError(
                QuicErrorCode.PROTOCOL_VIOLATION, frame_type, "ACK of a packet that was never sent"
            )
        super()._handle_ack_frame(context, frame_type, buf)

    # Its windows. Stock aioquic doubles them when data arrives, wherever it lies, so that a few sparse frames grow them
    # to gigabytes, all of it allocated. Here only what was delivered in order moves them.

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace) -> None:  # noqa: ARG002
        stream = self._streams.get(STREAM)
        limit = self._local_max_data
        window = self.gw_limits.connection_window
        if stream is not None:
            delivered = stream.receiver.starting_offset()
            if delivered + window // 2 > limit.value:
                limit.value = delivered + window
        if limit.sent == limit.value:
            return
        buf = builder.start_frame(
            limit.frame_type,
            capacity=CONNECTION_LIMIT_FRAME_CAPACITY,
            handler=self._on_connection_limit_delivery,
            handler_args=(limit,),
        )
        buf.push_uint_var(limit.value)
        limit.sent = limit.value

    def _write_stream_limits(  # the signature is aioquic's
        self,
        builder: QuicPacketBuilder,
        space: QuicPacketSpace,  # noqa: ARG002
        stream: QuicStream,
    ) -> None:
        delivered = stream.receiver.starting_offset()
        window = self.gw_limits.stream_window
        if delivered + window // 2 > stream.max_stream_data_local:
            stream.max_stream_data_local = delivered + window
        if stream.max_stream_data_local_sent == stream.max_stream_data_local:
            return
        buf = builder.start_frame(
            QuicFrameType.MAX_STREAM_DATA,
            capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
            handler=self._on_max_stream_data_delivery,
            handler_args=(stream,),
        )
        buf.push_uint_var(STREAM)
        buf.push_uint_var(stream.max_stream_data_local)
        stream.max_stream_data_local_sent = stream.max_stream_data_local


def _acknowledges(buf: Buffer, packet_number: int) -> bool:
    try:
        ranges, _ = pull_ack_frame(buf)
    except ValueError:
        return False  # the regular parser is about to say what is wrong with it
    return packet_number in ranges


def _application_error(code: CloseCode, detail: str) -> QuicConnectionError:
    # Without a frame type aioquic closes with an application code, which is what our clients understand.
    return QuicConnectionError(error_code=int(code), frame_type=None, reason_phrase=code.phrase(detail))  # type: ignore[arg-type]


def _second_stream(what: str) -> QuicConnectionError:
    return _application_error(CloseCode.PROTOCOL_ERROR, f"{what}: a connection has one bidirectional stream")
