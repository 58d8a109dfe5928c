"""The server side: one UDP socket that accepts QUIC connections (protocol §1)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from quicgw_fast.codes import CloseCode
from quicgw_fast.errors import StartupError
from quicgw_fast.ports import ConnectionRefusal, Deflection
from quicgw_fast.transport.accepted import LAST_PERIOD, AcceptedClients
from quicgw_fast.transport.quinn.connection import QuinnConnection, Side, termination_of
from quicgw_fast.transport.quinn.driver import Driver
from quicgw_fast.transport.termination import end_of
from quicgw_fast.transport.text import format_address

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from quicgw_fast.clock import Clock
    from quicgw_fast.ports import Gatekeeper, ReadingPace, TurnedAway
    from quicgw_fast.transport.certificates import Identity
    from quicgw_fast.transport.connection_ids import ConnectionIds
    from quicgw_fast.transport.limits import TransportLimits
    from quicgw_fast.transport.observer import Observer
    from quicgw_fast.transport.seam import Connection, HandlerFactory, ListenerCounters

_ACCEPTED = Side(client=False)


class QuinnListener(AcceptedClients):
    """A ``seam.Listener`` on quinn."""

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
        self.closing_period: float | None = None
        self.draining_period: float | None = None
        super().__init__(factory, limits, gatekeeper, observer, clock.now)
        self._alpn = [name.encode() for name in alpn]
        self._driver = Driver(
            sock,
            limits,
            reset_key=reset_key,
            connection_ids=connection_ids,
            clock=clock,
            server=_shown(identity, self._alpn),
            incoming=self._incoming,
            may_answer=self._may_answer,
            pace=pace,
        )

    @property
    def address(self) -> tuple[str, int]:
        """The address that is bound, as (host, port)."""
        return self._driver.address

    @property
    def counters(self) -> ListenerCounters:
        """What happened at the door; part of it is counted by the endpoint."""
        if not self._driver.closed:
            counted, made = self._counters, self._driver.core.counters
            counted.retries, counted.invalid_tokens, counted.noise, counted.unread = made[:4]
            counted.dropped, counted.version_negotiations, counted.stateless_resets = made[4:]
        return self._counters

    @property
    def unacknowledged(self) -> int:
        """Bytes that were written to all peers and that their QUIC has not acknowledged."""
        return 0 if self._driver.closed else self._driver.core.unacknowledged

    @property
    def unacknowledged_most(self) -> int:
        """Bytes that the peer with most of them has not acknowledged."""
        return self._driver.most

    @property
    def given_up(self) -> int:
        """Connections that were closed since the start because those were too many."""
        return self._driver.given_up

    def prepare(self, identity: Identity, limits: TransportLimits, /) -> Callable[[], None]:
        """See ``seam.Listener``."""
        core = self._driver.core
        try:
            core.prepare(_shown(identity, self._alpn), limits)
        except ValueError as error:
            raise StartupError(f"quinn cannot use the certificate, its key or a limit: {error}") from error
        return partial(self._renew, limits)

    def _renew(self, limits: TransportLimits) -> None:
        if not self._driver.closed:
            self._driver.core.renew()
            self._limits = limits

    async def close(self, code: int = CloseCode.DRAINING, reason: str = "") -> None:
        """Close every connection with ``code`` and the complete phrase ``reason``, then the socket.

        Waits until the closes were sent, behind what was sent before them, at most about 1.3 s.
        """
        if self._driver.closed:
            return
        self.stop_accepting()
        self.closing_period = self.draining_period = LAST_PERIOD
        for connection in cast("set[QuinnConnection]", self._alive):
            connection.shorten(LAST_PERIOD)
        await self._send_away(code, reason)
        _ = self.counters  # the last of what the endpoint has counted
        self._driver.close()

    def throttled(self, connection: Connection, /) -> None:
        """Tell that packets of the connection are dropped unread."""
        self._observer.peer_throttled(connection.peer)

    # First packets

    def _incoming(self, ticket: int, host: str, port: int, proven: bool) -> None:
        now, core = self._driver.now(), self._driver.core
        arrival = self._arrival(host, proven=proven, now=now)
        peer = format_address((host, port))
        turned_away = self._gatekeeper.initial(arrival)
        if turned_away is None:
            if not core.authenticate(ticket):
                self._gatekeeper.noise(arrival.address, now)
                return
            turned_away = self._gatekeeper.connection(arrival)
        if turned_away is not None:
            self._turn_away(turned_away, ticket, peer, now)
            return
        self._counters.accepted += 1
        accepted = core.accept(ticket, now)
        if not isinstance(accepted, int):  # something was wrong with its first packet, which it has been told
            if accepted is not None and self._accepting:
                termination = termination_of(*accepted)
                self._tell_failure(termination, peer, end_of(termination).reason)
            return
        connection = QuinnConnection(self._driver, accepted, self, _ACCEPTED, peer)
        self._begun(connection)

    def _turn_away(self, how: TurnedAway, ticket: int, peer: str, now: float) -> None:
        """Do what the gatekeeper says instead of building a connection."""
        core = self._driver.core
        if isinstance(how, ConnectionRefusal):
            self._tell_refusal(peer, how)
            if self._may_answer(now):
                core.refuse(ticket, how.phrase.encode())
                return
        elif how is Deflection.RETRY and self._may_answer(now, retry=True):
            core.retry(ticket)
            return
        core.ignore(ticket)


def _shown(identity: Identity, alpn: list[bytes]) -> tuple[list[bytes], bytes, list[bytes]]:
    """What clients are shown, as the endpoint takes it."""
    chain = [one.public_bytes(Encoding.DER) for one in (identity.certificate, *identity.chain)]
    key = identity.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return chain, key, alpn
