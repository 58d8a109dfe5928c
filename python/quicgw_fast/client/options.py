"""What can be chosen when a client is made; every value is checked here, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path  # noqa: TC003  (dataclass field)
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicgw_fast.client.messages import StateEvent, Ticket

TokenSource = str | Callable[[], str | Awaitable[str]]
"""A token, or a callable that gives a fresh one: at each START and when one is about to expire."""

StateCallback = Callable[["StateEvent"], None]

DEFAULT_PORT = 8443
_MAX_PORT = 65535


class ReceivePolicy(StrEnum):
    """What happens to a notify when the receive queue is full."""

    PAUSE = "pause"
    """Nothing is lost: it is kept but not acknowledged until the application reads. Then the gateway's window
    fills, and it closes the connection as SLOW_CONSUMER, after which the client resumes."""
    DROP_OLDEST = "drop_oldest"
    """The oldest unread notify is dropped and counted in ``stats.dropped_notifies``."""
    FAIL = "fail"
    """The client closes with ReceiveQueueFull; the session can still be resumed with ``client.ticket``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect:
    """How to come back: after a delay of full jitter, 0 to min(cap, base · 2^attempt) seconds."""

    enabled: bool = True
    base: float = 0.1
    cap: float = 5.0
    max_attempts: int | None = None
    """Attempts in a row before the client gives up; None: never."""
    attempt_timeout: float = 5.0
    """Seconds for one attempt, handshake and START together."""
    stable_after: float = 1.0
    """Seconds after which a connection counts as good even if nothing new came over it."""

    def __post_init__(self) -> None:
        _check(self.base > 0, "reconnect.base", "be above 0 seconds")
        _check(self.cap >= self.base, "reconnect.cap", "not be below base")
        _check(self.attempt_timeout > 0, "reconnect.attempt_timeout", "be above 0 seconds")
        _check((self.max_attempts or 0) >= 0, "reconnect.max_attempts", "not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the gateway proves who it is."""

    ca: Path | None = None
    """PEM file of the authority to trust; None: the system's."""
    insecure: bool = False
    """Accept any certificate."""
    server_name: str | None = None
    """Name that the certificate must carry; None: the host of the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """The ``hello`` that follows each new session."""

    enabled: bool = True
    params: Mapping[str, str] = field(default_factory=dict)
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """Everything that `connect` takes, in its checked form. Times in seconds, sizes in messages."""

    host: str
    port: int
    openid: str
    token: TokenSource = ""
    tls: Tls = field(default_factory=Tls)
    login: Login = field(default_factory=Login)
    timeout: float = 30.0
    """Default timeout of a call; ``math.inf``: wait for ever."""
    connect_timeout: float = 10.0
    """For the first connection, login included."""
    close_timeout: float = 2.0
    """How long close() waits for the gateway to confirm."""
    heartbeat: float = 5.0
    """Longest time between two heartbeats; the gateway's own interval counts when it is shorter."""
    max_missed: int = 3
    """The link is dead after so many intervals without anything from the gateway."""
    ack_every: int = 32
    """Acknowledge at the latest after so many messages …"""
    ack_delay: float = 0.05
    """… or after this time."""
    queue_size: int = 1024
    """Notifies that may wait for the application."""
    queue_policy: ReceivePolicy = ReceivePolicy.PAUSE
    reconnect: Reconnect = field(default_factory=Reconnect)
    resume: Ticket | None = None
    """Go on with the session that another client left with detach()."""
    on_state: StateCallback | None = None
    """Called in the event loop for each StateEvent; it must not block."""

    def __post_init__(self) -> None:
        _check(bool(self.openid), "openid", "not be empty")
        _check(self.timeout > 0, "timeout", "be above 0 seconds")
        _check(self.connect_timeout > 0, "connect_timeout", "be above 0 seconds")
        _check(self.close_timeout >= 0, "close_timeout", "not be negative")
        _check(self.heartbeat > 0, "heartbeat", "be above 0 seconds")
        _check(self.max_missed >= 1, "max_missed", "be at least 1")
        _check(self.ack_every >= 1, "ack_every", "be at least 1")
        _check(self.ack_delay >= 0, "ack_delay", "not be negative")
        _check(self.queue_size >= 1, "queue_size", "be at least 1")


def parse_address(address: str) -> tuple[str, int]:
    """Split ``host:port``, ``[ipv6]:port`` or a bare host (port 8443); ValueError says what is wrong."""
    if address.startswith("["):
        host, bracket, rest = address[1:].partition("]")
        _check(bool(bracket) and (not rest or rest.startswith(":")), "address", "look like [::1]:8443")
        port = rest[1:]
    elif address.count(":") > 1:
        raise ValueError(f"address {address!r}: put an IPv6 host in brackets, as in [::1]:8443")
    else:
        host, _, port = address.partition(":")
    _check(bool(host), "address", "name a host, as in 127.0.0.1:8443")
    if not port:
        return host, DEFAULT_PORT
    valid = port.isascii() and port.isdecimal() and 0 < int(port) <= _MAX_PORT
    _check(valid, "address", f"end in a port between 1 and {_MAX_PORT}")
    return host, int(port)


def _check(good: bool, name: str, rule: str) -> None:
    if not good:
        raise ValueError(f"{name} must {rule}")
