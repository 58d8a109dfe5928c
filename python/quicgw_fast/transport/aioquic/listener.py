"""The server side: one UDP socket that accepts QUIC connections (protocol §1)."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from aioquic._buffer import Buffer
from aioquic.quic.packet import (
    QuicHeader,
    QuicPacketType,
    encode_quic_retry,
    pull_quic_header,
)

from quicgw_fast.codes import CloseCode
from quicgw_fast.ports import Arrival, ConnectionRefusal, Deflection, UnprovenAnswer
from quicgw_fast.transport.aioquic.configuration import server_configuration
from quicgw_fast.transport.aioquic.connection import AioquicConnection
from quicgw_fast.transport.aioquic.core import GatewayQuic
from quicgw_fast.transport.aioquic.initials import authenticates
from quicgw_fast.transport.aioquic.refusal import refusal
from quicgw_fast.transport.endpoint import Endpoint
from quicgw_fast.transport.packets import (
    CID_LENGTH,
    MIN_CLIENT_CID,
    MIN_INITIAL,
    VERSIONS,
    LongHeader,
    reset_tokens,
    stateless_reset,
    version_negotiation,
)
from quicgw_fast.transport.retry_tokens import RetryTokens, Standing
from quicgw_fast.transport.seam import ListenerCounters
from quicgw_fast.transport.termination import CONNECTION_REFUSED, INVALID_TOKEN, fault_of
from quicgw_fast.transport.text import format_address

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from quicgw_fast.clock import Clock
    from quicgw_fast.ports import Gatekeeper, ReadingPace, TurnedAway
    from quicgw_fast.transport.aioquic.receiving import ReceivingQuic
    from quicgw_fast.transport.certificates import Identity
    from quicgw_fast.transport.limits import TransportLimits
    from quicgw_fast.transport.observer import Observer
    from quicgw_fast.transport.seam import Connection, ConnectionHandler, HandlerFactory
    from quicgw_fast.transport.termination import Termination

LAST_PERIOD = 0.25
"""Seconds that ``close`` goes on repeating closing packets to peers that still send."""


class AioquicListener:
    """A ``seam.Listener`` on aioquic."""

    closing_ptos = 3.0
    draining_ptos = 3.0
    longest_period = math.inf

    def __init__(
        self,
        sock: socket.socket,
        identity: Identity,
        factory: HandlerFactory,
        *,
        alpn: Sequence[str],
        limits: TransportLimits,
        gatekeeper: Gatekeeper,
        observer: Observer,
        reset_key: bytes,
        connection_ids: Callable[[], bytes],
        clock: Clock,
        pace: ReadingPace,
    ) -> None:
        self.counters = ListenerCounters()
        self._factory = factory
        self._limits = limits
        self._configuration = server_configuration(identity, limits, alpn)
        self._gatekeeper = gatekeeper
        self._accepting = True
        self._observer = observer
        self._tokens = RetryTokens()
        self._connection_ids = connection_ids
        self._reset_token: Callable[[bytes], bytes] | None = None
        if limits.stateless_reset:
            self._reset_token = reset_tokens(reset_key)
        self._alive: set[Connection] = set()
        self._half_open: set[Connection] = set()
        self._open: set[Connection] = set()
        self._empty: asyncio.Future[None] | None = None
        self._endpoint = Endpoint(sock, limits, self._unmatched, clock=clock, pace=pace)

    @property
    def address(self) -> tuple[str, int]:
        """The address that is bound, as (host, port)."""
        return self._endpoint.address[0], self._endpoint.address[1]

    @property
    def connections(self) -> int:
        """Established connections that are not closed."""
        return len(self._open)

    @property
    def half_open(self) -> int:
        """Handshakes under way."""
        return len(self._half_open)

    @property
    def unacknowledged(self) -> int:
        """Bytes that were written to all peers and that their QUIC has not acknowledged."""
        return self._endpoint.backlog.used

    @property
    def given_up(self) -> int:
        """Connections that were closed since the start because those were too many."""
        return self._endpoint.backlog.given_up

    def stop_accepting(self) -> None:
        """Refuse new connections from now on; established ones go on."""
        self._accepting = False

    async def close(self, code: int = CloseCode.DRAINING, reason: str = "") -> None:
        """Close every connection with ``code`` and the complete phrase ``reason``, then the socket.

        Waits until the closes were sent, behind what was sent before them, at most about 1.3 s.
        """
        if self._endpoint.closed:
            return
        self.stop_accepting()
        self.longest_period = LAST_PERIOD
        for period in self._endpoint.periods:
            period.shorten(LAST_PERIOD)
        for connection in list(self._alive):
            connection.close(code, reason or CloseCode(code).phrase())
        if self._alive:
            self._empty = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._empty], timeout=self._limits.linger + 2 * LAST_PERIOD)
        for connection in list(self._alive):
            connection.abort(code, reason)
        self._endpoint.close()

    # What connections report

    def established(self, connection: Connection, /) -> ConnectionHandler | None:
        """Count the connection and make its handler."""
        self._half_open.discard(connection)
        # It has shown by now that it gets what is sent to its address.
        refusal = self._gatekeeper.established(self._arrival(connection.peer, proven=True, now=self._endpoint.now()))
        if refusal is not None:
            self._tell_refusal(connection.peer, refusal)
            connection.close(*refusal)
            return None
        self.counters.established += 1
        self._open.add(connection)
        return self._factory(connection)

    def ended(self, connection: Connection, termination: Termination | None, reason: str, /) -> None:
        """Stop counting the connection; one whose handshake is not complete has failed, unless we stop."""
        if connection in self._half_open and self._accepting:
            self.counters.failed += 1
            self._gatekeeper.failed(self._endpoint.now() + self._limits.handshake_timeout)
            self._observer.handshake_failed(fault_of(termination), connection.peer, reason)
        self._half_open.discard(connection)
        self._open.discard(connection)

    def released(self, connection: Connection, /) -> None:
        """Forget the connection."""
        self._alive.discard(connection)
        if self._empty is not None and not self._alive and not self._empty.done():
            self._empty.set_result(None)

    # Packets of no connection

    def _unmatched(self, data: bytes, address: Any, header: LongHeader | None, now: float) -> None:
        if header is None:
            self._unknown_short(data, address, now)
        elif header.version not in VERSIONS:
            self._unknown_version(data, address, header, now)
        elif not self._maybe_first(data, address, header, now):
            self.counters.dropped += 1

    def _unknown_short(self, data: bytes, address: Any, now: float) -> None:
        self.counters.dropped += 1
        if self._reset_token is None or len(data) <= CID_LENGTH or not data[0] & 0x40:
            return
        answer = stateless_reset(len(data), self._reset_token(data[1 : 1 + CID_LENGTH]))
        if answer is not None and self._may_answer(now):
            self.counters.stateless_resets += 1
            self._endpoint.send(answer, address)

    def _unknown_version(self, data: bytes, address: Any, header: LongHeader, now: float) -> None:
        # Version 0 is itself a negotiation packet: answering it could make two servers talk for ever.
        if header.version == 0 or len(data) < MIN_INITIAL or not self._may_answer(now):
            self.counters.dropped += 1
            return
        self.counters.version_negotiations += 1
        self._endpoint.send(version_negotiation(header), address)

    def _maybe_first(self, data: bytes, address: Any, invariant: LongHeader, now: float) -> bool:
        """Do what is to be done about a long header packet of no connection; False when it is dropped."""
        if len(data) < MIN_INITIAL or not MIN_CLIENT_CID <= len(invariant.destination_cid) <= 20:
            return False
        buf = Buffer(data=data)
        try:
            header = pull_quic_header(buf, host_cid_length=CID_LENGTH)
        except ValueError:
            return False
        if header.packet_type is not QuicPacketType.INITIAL:
            return False
        token = self._tokens.judge(header.token, address, header.destination_cid, now)
        arrival = self._arrival(address[0], proven=token.standing is Standing.PROVEN, now=now)
        turned_away = self._gatekeeper.initial(arrival)
        if turned_away is not None:
            return self._turn_away(turned_away, address, invariant, header, now)
        if not authenticates(data, header, buf.tell()):
            self.counters.noise += 1
            self._gatekeeper.noise(arrival.address, now)
            return False
        if token.standing is Standing.WRONG:
            self.counters.invalid_tokens += 1
            return self._answer(refusal(invariant, INVALID_TOKEN), address, now)
        turned_away = self._gatekeeper.connection(arrival)
        if turned_away is not None:
            return self._turn_away(turned_away, address, invariant, header, now)
        self._accept(data, address, header, token.original, now)
        return True

    def _turn_away(self, how: TurnedAway, address: Any, invariant: LongHeader, header: QuicHeader, now: float) -> bool:
        """Do what the gatekeeper says instead of building a connection; False when the packet is dropped."""
        if isinstance(how, ConnectionRefusal):
            self._tell_refusal(format_address(address), how)
            return self._answer(refusal(invariant, CONNECTION_REFUSED, how.phrase), address, now)
        return how is Deflection.RETRY and self._send_retry(address, header, now)

    def _arrival(self, peer: str, *, proven: bool, now: float) -> Arrival:
        return Arrival(peer, proven, len(self._half_open), len(self._open), not self._accepting, now)

    def _tell_refusal(self, peer: str, refusal: ConnectionRefusal) -> None:
        self.counters.refused += 1
        self._observer.connection_refused(peer, refusal.phrase)

    def _may_answer(self, now: float, *, retry: bool = False) -> bool:
        return self._gatekeeper.answer(UnprovenAnswer(retry, now)) is None

    def _answer(self, datagram: bytes, address: Any, now: float) -> bool:
        if not self._may_answer(now):
            return False
        self._endpoint.send(datagram, address)
        return True

    def _send_retry(self, address: Any, header: QuicHeader, now: float) -> bool:
        if not self._may_answer(now, retry=True):
            return False
        self.counters.retries += 1
        # The client's next Initial names this id; it is only used to tell that it followed the Retry.
        source = self._connection_ids()
        assert header.version is not None
        self._endpoint.send(
            encode_quic_retry(
                version=header.version,
                source_cid=source,
                destination_cid=header.source_cid,
                original_destination_cid=header.destination_cid,
                retry_token=self._tokens.make(address, header.destination_cid, source, now),
            ),
            address,
        )
        return True

    def _accept(self, data: bytes, address: Any, header: QuicHeader, original: bytes, now: float) -> None:
        """Build the connection; ``original`` is empty unless the client came by way of a Retry."""

        def make_core(cid_issued: Callable[[bytes], None]) -> GatewayQuic:
            return GatewayQuic(
                configuration=self._configuration,
                limits=self._limits,
                cid_issued=cid_issued,
                connection_ids=self._connection_ids,
                reset_token=self._reset_token,
                original_destination_cid=original or header.destination_cid,
                retry_source_cid=header.destination_cid if original else None,
                unread=self._unread,
                short_counters=self.counters,
            )

        connection = AioquicConnection(self._endpoint, self, make_core, [header.destination_cid])
        self._alive.add(connection)
        self._half_open.add(connection)
        self.counters.accepted += 1
        connection.datagram(data, address, now)

    def _unread(self, core: ReceivingQuic) -> None:
        self.counters.unread += 1
        if core.gw_unread == 1:
            self._observer.peer_throttled(format_address(core.get_peer_address()))
