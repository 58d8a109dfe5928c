"""What a transport offers: the same names from each maker, who is free in everything else.

A transport carries the bytes of one stream per connection, in order, in both directions. It says when a connection is
there and when it is over, each exactly once, and how much of what was sent the peer has not acknowledged. Everything
happens in the running event loop, and nothing here blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.transport.limits import TransportLimits
    from quicgw_fast.transport.observer import ListenerCounters, Observer


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


class Connection(Protocol):
    """One connection with its one bidirectional stream, for either side; see also ``ports.Link``."""

    @property
    def id(self) -> int:
        """A number that no other connection of this process has."""

    @property
    def peer(self) -> str:
        """The peer's address as ``host:port``; it changes when the client migrated and QUIC validated where to."""

    @property
    def closed(self) -> bool:
        """True once nothing can be sent any more."""

    @property
    def departed(self) -> bool:
        """The peer has ended the connection; what it sent before is still handed over (see ``Link.departed``)."""

    @property
    def pending(self) -> int:
        """Bytes given to ``send`` that the peer's QUIC has not acknowledged yet."""

    @property
    def progress(self) -> int:
        """Bytes given to ``send`` that the peer's QUIC has acknowledged without a gap, since the beginning."""

    def ready(self) -> bool:
        """Whether the peer may be sent more; False promises ``writable`` once it may again, unless it is closed."""

    def send(self, data: bytes) -> None:
        """Queue bytes on the stream. Never blocks and never raises; does nothing after the close."""

    def close(self, code: int, reason: str = "", *, flush: bool = True) -> None:
        """Close with an application error code, behind what was sent before; with ``flush`` once that has arrived.

        ``reason`` is the complete phrase of protocol §6. ``closed`` of the handler is called in the loop's next turn.
        Idempotent.
        """

    def abort(self, code: int, reason: str, *, tell_peer: bool = True) -> None:
        """Forget the connection at once, after one attempt to tell the peer."""

    async def wait_closed(self) -> None:
        """Wait until nothing of the connection is left; for a dialed one, also its socket is closed."""


class Listener(Protocol):
    """A bound UDP socket that accepts connections until it is closed."""

    @property
    def counters(self) -> ListenerCounters:
        """What happened at the door since the start."""

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
    def given_up(self) -> int:
        """Connections that were closed since the start because those were too many."""

    def stop_accepting(self) -> None:
        """Refuse new connections from now on; established ones go on."""

    async def close(self, code: int, reason: str = "") -> None:
        """Close every connection with ``code`` and the complete phrase ``reason``, then the socket."""


class Listen(Protocol):
    """How a listener is made."""

    async def __call__(
        self,
        host: str,
        port: int,
        *,
        certificate: Path,
        private_key: Path | bytes,
        factory: HandlerFactory,
        limits: TransportLimits | None = None,
        observer: Observer | None = None,
        reset_key: bytes | None = None,
    ) -> Listener:
        """Listen on ``host:port`` (port 0: any free one).

        ``private_key`` is a PEM file or, for a key that is in no file, its bytes. ``factory`` makes the handler of
        each connection when its handshake is complete. ``reset_key`` is the secret of an earlier process whose clients
        are to be told that it is gone; None makes a new one. Raises StartupError for an address that cannot be bound
        and for a certificate or key that cannot be used.
        """


class Dial(Protocol):
    """How a connection to a gateway is made."""

    async def __call__(
        self,
        host: str,
        port: int,
        *,
        factory: HandlerFactory,
        ca: Path | None = None,
        insecure: bool = False,
        server_name: str | None = None,
        timeout: float = 10.0,
        limits: TransportLimits | None = None,
        local_addr: tuple[str, int] | None = None,
    ) -> Connection:
        """Connect and return the connection, whose handler ``factory`` has made by then.

        The server's certificate is verified against the PEM file ``ca`` (default: the public authorities) and for
        ``server_name`` (default: ``host``); ``insecure`` skips both. Every address of the host is tried. Raises
        ConnectFailed, after ``timeout`` seconds at the latest: of several addresses, the failure that says most.
        """


class Transport(Protocol):
    """The module of one maker, as ``transport.load`` returns it."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of the module
        """Which maker it is."""

    @property
    def listen(self) -> Listen:
        """The server side."""

    @property
    def dial(self) -> Dial:
        """The client side."""
