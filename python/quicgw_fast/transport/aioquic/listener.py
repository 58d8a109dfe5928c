"""The server side: one UDP socket that accepts QUIC connections (protocol §1)."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from aioquic._buffer import Buffer
from aioquic.quic.packet import (
    QuicHeader,
    QuicPacketType,
    encode_quic_retry,
    pull_quic_header,
)

from quicgw_fast.codes import CloseCode
from quicgw_fast.ports import ConnectionRefusal, Deflection
from quicgw_fast.transport.accepted import LAST_PERIOD, AcceptedClients
from quicgw_fast.transport.aioquic.configuration import server_configuration
from quicgw_fast.transport.aioquic.connection import AioquicConnection
from quicgw_fast.transport.aioquic.core import GatewayQuic
from quicgw_fast.transport.aioquic.initials import authenticates
from quicgw_fast.transport.aioquic.refusal import refusal
from quicgw_fast.transport.budget import CommonBudget
from quicgw_fast.transport.endpoint import Endpoint
from quicgw_fast.transport.packets import (
    MAX_CID,
    MIN_CLIENT_CID,
    MIN_INITIAL,
    VERSIONS,
    LongHeader,
    reset_tokens,
    stateless_reset,
    version_negotiation,
)
from quicgw_fast.transport.retry_tokens import RetryTokens, Standing
from quicgw_fast.transport.termination import CONNECTION_REFUSED, INVALID_TOKEN
from quicgw_fast.transport.text import format_address

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from aioquic.quic.configuration import QuicConfiguration

    from quicgw_fast.clock import Clock
    from quicgw_fast.ports import Gatekeeper, ReadingPace, TurnedAway
    from quicgw_fast.transport.aioquic.receiving import ReceivingQuic
    from quicgw_fast.transport.certificates import Identity
    from quicgw_fast.transport.connection_ids import ConnectionIds
    from quicgw_fast.transport.limits import TransportLimits
    from quicgw_fast.transport.observer import Observer
    from quicgw_fast.transport.seam import HandlerFactory


class AioquicListener(AcceptedClients):
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
        connection_ids: ConnectionIds,
        clock: Clock,
        pace: ReadingPace,
    ) -> None:
        super().__init__(factory, limits, gatekeeper, observer, clock.now)
        self._alpn = alpn
        self._configuration = server_configuration(identity, limits, alpn, connection_ids.length)
        self._tokens = RetryTokens()
        self._common = CommonBudget(limits)
        self._connection_ids = connection_ids
        self._reset_token: Callable[[bytes], bytes] | None = None
        if limits.stateless_reset:
            self._reset_token = reset_tokens(reset_key)
        self._endpoint = Endpoint(
            sock, limits, self._unmatched, id_length=connection_ids.length, clock=clock, pace=pace
        )

    @property
    def address(self) -> tuple[str, int]:
        """The address that is bound, as (host, port)."""
        return self._endpoint.address[0], self._endpoint.address[1]

    @property
    def unacknowledged(self) -> int:
        """Bytes that were written to all peers and that their QUIC has not acknowledged."""
        return self._endpoint.backlog.used

    @property
    def unacknowledged_most(self) -> int:
        """Bytes that the peer with most of them has not acknowledged."""
        return self._endpoint.backlog.most

    @property
    def given_up(self) -> int:
        """Connections that were closed since the start because those were too many."""
        return self._endpoint.backlog.given_up

    def prepare(self, identity: Identity, limits: TransportLimits, /) -> Callable[[], None]:
        """See ``seam.Listener``. Each connection refers to the configuration with which it began."""
        configuration = server_configuration(identity, limits, self._alpn, self._connection_ids.length)
        return partial(self._renew, configuration, limits)

    def _renew(self, configuration: QuicConfiguration, limits: TransportLimits) -> None:
        self._configuration, self._limits = configuration, limits

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
        await self._send_away(code, reason)
        self._endpoint.close()

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
        end = 1 + self._connection_ids.length
        if self._reset_token is None or len(data) < end or not data[0] & 0x40:
            return
        answer = stateless_reset(len(data), self._reset_token(data[1:end]))
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
        if len(data) < MIN_INITIAL or len(invariant.destination_cid) > MAX_CID:
            return False
        buf = Buffer(data=data)
        try:
            header = pull_quic_header(buf, host_cid_length=self._connection_ids.length)
        except ValueError:
            return False
        if header.packet_type is not QuicPacketType.INITIAL or not self._may_name(header):
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

    def _may_name(self, header: QuicHeader) -> bool:
        """Whether an Initial may be for its id: clients choose none that is short, but our Retry may have named one."""
        length = len(header.destination_cid)
        return length >= MIN_CLIENT_CID or (length == self._connection_ids.length and len(header.token) > 0)

    def _turn_away(self, how: TurnedAway, address: Any, invariant: LongHeader, header: QuicHeader, now: float) -> bool:
        """Do what the gatekeeper says instead of building a connection; False when the packet is dropped."""
        if isinstance(how, ConnectionRefusal):
            self._tell_refusal(format_address(address), how)
            return self._answer(refusal(invariant, CONNECTION_REFUSED, how.phrase), address, now)
        return how is Deflection.RETRY and self._send_retry(address, header, now)

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
        source = self._connection_ids.make()
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
                connection_ids=self._connection_ids.make,
                reset_token=self._reset_token,
                original_destination_cid=original or header.destination_cid,
                retry_source_cid=header.destination_cid if original else None,
                unread=self._unread,
                common=self._common,
                short_counters=self.counters,
            )

        connection = AioquicConnection(self._endpoint, self, make_core, [header.destination_cid])
        self._begun(connection)
        self.counters.accepted += 1
        connection.datagram(data, address, now)

    def _unread(self, core: ReceivingQuic) -> None:
        self.counters.unread += 1
        if core.gw_unread == 1:
            self._observer.peer_throttled(format_address(core.get_peer_address()))
