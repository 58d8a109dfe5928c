"""The seam of the transport: what an application may use of it, and what a maker of QUIC has to bring.

A maker is a module with ``listen`` and ``connect`` (see ``TransportMaker``), found by its name (``makers.load``).
Everything around it is shared: names are resolved, sockets bound, certificates checked and causes explained once, in
this folder, for which a maker says how QUIC ended a connection (``termination.Termination``). Limits, the gatekeeper,
connection ids and the secret of stateless resets are handed in, so that several listeners may share them. All calls,
in both directions, are made on the event loop's thread, and none of them blocks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from quicgw_fast.codes import CloseCode
from quicgw_fast.ports import Gatekeeper, Link, ReadingPace

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from quicgw_fast.clock import Clock
    from quicgw_fast.transport.certificates import Identity
    from quicgw_fast.transport.connection_ids import ConnectionIds
    from quicgw_fast.transport.limits import TransportLimits
    from quicgw_fast.transport.observer import Observer


class Connection(Link, Protocol):
    """A QUIC connection with its one bidirectional stream, made by a listener or by ``dial``."""

    @property
    def id(self) -> int:
        """A number that no other connection of this process has."""

    def abort(self, code: int, reason: str, *, tell_peer: bool = True) -> None:
        """Forget the connection at once, after one attempt to tell the peer."""

    async def wait_closed(self) -> None:
        """Wait until nothing of the connection is left; for a dialed one, also its socket is closed."""


class ConnectionHandler(Protocol):
    """What a connection reports to. All calls come from the event loop's thread and must not block.

    An exception out of ``received`` or ``writable`` closes this connection with INTERNAL and no other.
    """

    def received(self, data: bytes, /) -> None:
        """Take stream bytes, in order; one call may carry what came in several datagrams."""

    def writable(self) -> None:
        """``pending`` fell to the low water mark after having been over the high one."""

    def closed(self, code: int, reason: str, by_peer: bool, /) -> None:
        """The connection is over; called exactly once, and the last call.

        ``code`` is the application error code. Ends without one are mapped: idle timeout → IDLE, a fault of
        the peer's QUIC → PROTOCOL_ERROR, a transport error from the peer or a stateless reset → INTERNAL,
        the end of the peer's stream → NORMAL. ``reason`` is safe to log.
        """


class HandlerFactory(Protocol):
    """Makes the handler of a connection once its handshake is complete and its ALPN agreed."""

    def __call__(self, connection: Connection, /) -> ConnectionHandler:
        """Return the handler; the connection may be used at once."""


def _counter(help: str) -> int:
    return field(default=0, metadata={"help": help})


@dataclass(slots=True)
class ListenerCounters:
    """What happened at the door since the start. A new one is a line here: metrics take name and help from it."""

    accepted: int = _counter("Connections whose handshake began")
    established: int = _counter("Handshakes that were completed")
    failed: int = _counter("Handshakes that ended before they were complete")
    refused: int = _counter("Clients that were turned away with a reason, before or at the end of their handshake")
    retries: int = _counter("Retry packets: clients that had to prove their address first")
    invalid_tokens: int = _counter("Clients whose Retry token was not good")
    noise: int = _counter("Initials that did not authenticate; nothing was built for them")
    unread: int = _counter("Datagrams of connections that were dropped, as their peer used more than it may")
    dropped: int = _counter("Datagrams without a connection that were not answered, noise included")
    version_negotiations: int = _counter("Answers to a version of QUIC that is not spoken")
    stateless_resets: int = _counter("Answers to packets of connections that are not known any more")
    short_received: int = _counter("Packets received that took aioquic's short path, as they were plain")
    short_sent: int = _counter("Packets sent that took aioquic's short path, as they were plain")


class Listener(Protocol):
    """Accepts connections until it is closed."""

    @property
    def counters(self) -> ListenerCounters:
        """What happened at the door."""

    @property
    def address(self) -> tuple[str, int]:
        """The address that is bound, as (host, port)."""

    @property
    def connections(self) -> int:
        """Established connections that are not closed."""

    @property
    def half_open(self) -> int:
        """Handshakes under way."""

    @property
    def unacknowledged(self) -> int:
        """Bytes that were written to all peers and that their QUIC has not acknowledged."""

    @property
    def unacknowledged_limit(self) -> int:
        """Bytes that all peers together may leave unacknowledged."""

    @property
    def unacknowledged_most(self) -> int:
        """Bytes that the peer with most of them has not acknowledged."""

    @property
    def high_water(self) -> int:
        """Bytes of one peer that are not acknowledged above which nothing more is given to it."""

    @property
    def given_up(self) -> int:
        """Connections that were closed since the start because those were too many."""

    def prepare(self, identity: Identity, limits: TransportLimits, /) -> Callable[[], None]:
        """Check what new clients are to be shown and given, and return the step that does it from then on.

        That step cannot fail; connections and handshakes that are there keep what they have, and Retry tokens stay
        good. Bounds of all clients together stay as they are. Raises StartupError for what cannot be used.
        """

    def stop_accepting(self) -> None:
        """Refuse new connections from now on; established ones go on."""

    async def close(self, code: int = CloseCode.DRAINING, reason: str = "") -> None:
        """Close every connection with ``code`` and the complete phrase ``reason``, then the socket.

        Waits until the closes were sent, behind what was sent before them, at most about 1.3 s.
        """


class Trust(NamedTuple):
    """What the certificate of a dialed server is checked against."""

    server_name: str
    """The name that it has to carry."""
    authorities: bytes | None = None
    """Who may vouch for it, as PEM; None: the public authorities."""
    insecure: bool = False
    """Check nothing."""


class TransportMaker(Protocol):
    """One implementation of QUIC. Sockets are bound (or connected) UDP sockets, and the maker's from then on."""

    NAME: str
    VERSIONS: tuple[int, ...]
    """The versions of QUIC that it speaks."""

    def listen(
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
    ) -> Listener:
        """Accept connections on ``sock`` that offer one of ``alpn``, and only those that the ``gatekeeper`` lets in.

        ``connection_ids`` makes their ids, and that of a Retry; ``reset_key`` is the secret of their stateless reset
        tokens (``packets.reset_tokens``). ``pace`` gives the reading its rests. All times and timers are ``clock``'s.
        """

    async def connect(
        self,
        sock: socket.socket,
        factory: HandlerFactory,
        *,
        trust: Trust,
        alpn: Sequence[str],
        limits: TransportLimits,
        connection_ids: ConnectionIds,
        clock: Clock,
    ) -> Connection:
        """Do the handshake with the peer of ``sock``; raises ConnectFailed, and then leaves nothing behind."""
