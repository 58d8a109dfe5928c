"""What can be chosen when a client is made; every value is checked here, once."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from quicgw_fast.client import checks
from quicgw_fast.client.messages import Ticket
from quicgw_fast.client.observer import ClientObserver
from quicgw_fast.transport.makers import DEFAULT, MAKERS

if TYPE_CHECKING:
    from quicgw_fast.client.events import StateCallback

TokenSource = str | Callable[[], str | Awaitable[str]]
"""A token, or a callable that gives a fresh one: at each START and when one is about to expire."""

DEFAULT_PORT = 8443
_MAX_PORT = 65535


class ReceivePolicy(StrEnum):
    """What happens to a notify when the receive queue is full."""

    AUTO = "auto"
    """As ``pause`` for a program that reads its notifies. One that never does would be reset by the gateway in the
    end, calls and all; for it this becomes ``drop_oldest``, with one warning in the log and the state ``unread``,
    when notifies have waited beyond the queue for 2 seconds or are more than 512, until it reads."""
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
    follow: bool = True
    """Go where a gateway that stops says (``reconnect-to``), whose certificate has to carry the same name; where that
    fails, back to the address that the client was given."""

    def __post_init__(self) -> None:
        checks.flag("reconnect.enabled", self.enabled)
        checks.flag("reconnect.follow", self.follow)
        for name in ("base", "cap", "attempt_timeout"):
            checks.seconds(f"reconnect.{name}", getattr(self, name))
        checks.seconds("reconnect.stable_after", self.stable_after, zero=True)
        _check(self.cap >= self.base, "reconnect.cap", "not be below base")
        if self.max_attempts is not None:
            checks.count("reconnect.max_attempts", self.max_attempts, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """How the gateway proves who it is."""

    ca: Path | None = None
    """PEM file of the authority to trust; None: the system's."""
    insecure: bool = False
    """Accept any certificate."""
    server_name: str | None = None
    """Name that the certificate must carry; None: the host of the address."""

    def __post_init__(self) -> None:
        checks.flag("insecure", self.insecure)
        if self.ca is not None and self.insecure:
            raise ValueError("ca cannot be combined with insecure=True, which accepts any certificate")
        if self.server_name is not None:
            checks.text("server_name", self.server_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginOptions:
    """The ``hello`` that follows each new session."""

    enabled: bool = True
    params: Mapping[str, str] = field(default_factory=dict)
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.flag("login", self.enabled)
        checks.strings("hello_params", self.params)
        checks.strings("hello_headers", self.headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """Everything that `connect` takes, in its checked form. Times in seconds, sizes in messages."""

    host: str
    port: int
    openid: str
    token: TokenSource = ""
    tls: TlsOptions = field(default_factory=TlsOptions)
    login: LoginOptions = field(default_factory=LoginOptions)
    timeout: float = 30.0
    """Default timeout of a call; ``math.inf``: wait for ever."""
    connect_timeout: float = 10.0
    """For the first connection, login included."""
    close_timeout: float = 2.0
    """How long close() takes at most: the gateway confirms it, and what was sent is acknowledged."""
    heartbeat: float = 5.0
    """Longest time between two heartbeats; the gateway's own interval counts when it is shorter."""
    max_missed: int = 3
    """The link is dead after so many intervals without anything from the gateway."""
    ack_every: int = 32
    """Acknowledge at the latest after so many messages (half as many as the gateway allows requests at once) …"""
    ack_delay: float = 0.05
    """… or after this time."""
    queue_size: int = 1024
    """Notifies that may wait for the application."""
    queue_policy: ReceivePolicy = ReceivePolicy.AUTO
    reconnect: Reconnect = field(default_factory=Reconnect)
    resume: Ticket | None = None
    """Go on with the session that another client left with detach()."""
    on_state: StateCallback | None = None
    """Called in the program's event loop for each StateEvent."""
    observer: ClientObserver | None = None
    """Told in the program's event loop what goes over the wire."""
    transport: str = DEFAULT
    """Who does QUIC."""

    def __post_init__(self) -> None:
        checks.text("openid", self.openid)
        if not callable(self.token) and not isinstance(self.token, str):
            raise TypeError(f"token must be a str or a callable that returns one, not {type(self.token).__name__}")
        if isinstance(self.token, str):
            checks.text("token", self.token, empty=True)
        checks.seconds("timeout", self.timeout, forever=True)
        for name in ("connect_timeout", "heartbeat"):
            checks.seconds(name, getattr(self, name))
        for name in ("close_timeout", "ack_delay"):
            checks.seconds(name, getattr(self, name), zero=True)
        for name in ("max_missed", "ack_every", "queue_size"):
            checks.count(name, getattr(self, name), 1)
        checks.instance("reconnect", self.reconnect, Reconnect)
        if self.resume is not None:
            checks.instance("resume", self.resume, Ticket)
        if self.on_state is not None:
            checks.is_callable("on_state", self.on_state)
        if self.observer is not None:
            checks.instance("observer", self.observer, ClientObserver)
        checks.text("transport", self.transport)
        _check(self.transport in MAKERS, "transport", f"be one of {', '.join(MAKERS)}, not {self.transport!r:.40}")


def ca_path(ca: str | os.PathLike[str] | None) -> Path | None:
    """Return the path of the file with the authorities; the certificates themselves are refused, unprinted."""
    if ca is None:
        return None
    if not isinstance(ca, str | os.PathLike):
        raise TypeError(f"ca must be the path of a PEM file, not {type(ca).__name__}")
    path = os.fspath(ca)
    if not isinstance(path, str):
        raise TypeError(f"ca must be a path of str, not of {type(path).__name__}")
    if "-----BEGIN" in path or "\n" in path:
        raise ValueError("ca must be the path of a PEM file; this is the text of one: write it to a file")
    _check(bool(path) and "\0" not in path, "ca", "be the path of a PEM file")
    return Path(path)


def receive_policy(policy: ReceivePolicy | str) -> ReceivePolicy:
    """Return the policy of that name."""
    try:
        return ReceivePolicy(policy)
    except ValueError:
        known = ", ".join(f'"{one}"' for one in ReceivePolicy)
        raise ValueError(f"queue_policy must be one of {known}, not {policy!r:.40}") from None


def parse_address(address: str) -> tuple[str, int]:
    """Split ``host:port``, ``[ipv6]:port`` or a bare host (port 8443); ValueError says what is wrong."""
    checks.text("address", address)
    _check("/" not in address, "address", f"be HOST:PORT without a scheme or path, not {address!r:.80}")
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
