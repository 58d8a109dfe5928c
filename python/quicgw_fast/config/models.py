"""One model per TOML table (protocol §7); every field says what it means."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from quicgw_fast.config.values import Address, Count, Duration, Size, checked_file, duration, number, size

File = Annotated[Path, checked_file]
Rate = Annotated[float, number(0.001, 1e6, "a second")]
"""Of something per second."""

MAX_QUEUE = 1 << 20
"""Places of the request queue, which is made at once: a million take some 40 MiB."""

_ZONE_WORDS = ("zone", "echo", "calculate", "time")
DEFAULT_EXACT = {
    **dict.fromkeys(("hello", "logout", "status", "heartbeat", "data_sync"), "hello"),
    **dict.fromkeys(_ZONE_WORDS, "zone"),
}
"""Lower-case action to service, as deployed (protocol §3)."""
DEFAULT_CONTAINING = dict.fromkeys(_ZONE_WORDS, "zone")
"""Part of an action to service, as deployed (protocol §3)."""


class Section(BaseModel):
    """One table of the file: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class ReadIn:
    """Marks a key that only one ``routing.mode`` reads; ``others`` says what the other modes do without it."""

    mode: str
    others: str = ""


# Every list and table has an example, which is shown to who wrote something else.
ADDRESSES = Field(examples=[["127.0.0.1:9001"]])
ACTIONS = Field(examples=[{"echo": "hello"}])
RANGES = Field(examples=[[[1, 9999, "001"]]])
OF_SERVICES = ReadIn("service", "where instances register themselves")
"""Addresses can be written for the services alone."""


class ServerConfig(Section):
    """``[server]``: where the gateway listens; port 0 takes any free port."""

    quic: Address = "0.0.0.0:8443"
    """UDP address for clients."""
    grpc: Address = "127.0.0.1:8092"
    """Address of the gateway's own gRPC services: pushes, registration, health, reflection."""
    admin: Address = "127.0.0.1:8080"
    """HTTP address for /healthz, /readyz and /stats."""
    transport: Literal["aioquic", "quinn"] = "aioquic"
    """Who does QUIC: aioquic, in Python, or quinn, which is compiled and takes a fraction of the time."""
    short_path: bool = True
    """Whether aioquic is passed by where a packet is plain. What happens is the same without, and takes longer."""
    reset_key_file: File | None = None
    """Secret of stateless resets, made if it is not there; every gateway needs its own. Without one, a file beside
    ``tls.key`` is used where it can be written."""


class TlsConfig(Section):
    """``[tls]``: PEM files; both are needed to serve."""

    cert: File | None = None
    """Certificate chain, the server's own first."""
    key: File | None = None
    """Private key of the certificate."""


class UpstreamConfig(Section):
    """``[upstream]``: addresses of each service in service mode."""

    hello: Annotated[tuple[Address, ...], OF_SERVICES, ADDRESSES] = ()
    """Instances that log users in and keep their state."""
    business: Annotated[tuple[Address, ...], OF_SERVICES, ADDRESSES] = ()
    """Instances for everything that is routed nowhere else."""
    zone: Annotated[tuple[Address, ...], OF_SERVICES, ADDRESSES] = ()
    """Instances of the zone service."""
    max_concurrency: Annotated[int, number(0, 1_000_000, "calls")] = 0
    """Calls under way at once per service; more are answered 503. 0 sets no limit."""
    client: Literal["grpcio", "native"] = "grpcio"
    """Who calls services: grpcio, or native, which is compiled and takes a fraction of the time."""
    forget_after: Annotated[float, duration("1s", "30d")] = 3600.0
    """A registered instance that cannot be connected to for so long is forgotten, until it registers again."""


class RoutingConfig(Section):
    """``[routing]``: which service gets an action (protocol §3)."""

    mode: Literal["service", "zone"] = "service"
    """``service``: by action. ``zone``: by openid, to the instance registered for its zone."""
    exact: Annotated[dict[str, str], ReadIn("service"), ACTIONS] = Field(default_factory=dict)
    """Lower-case action to service, added to those as deployed; looked at first."""
    containing: Annotated[dict[str, str], ReadIn("service"), ACTIONS] = Field(default_factory=dict)
    """Part of an action to service, looked at next, in this order, before those as deployed."""
    replace_defaults: Annotated[bool, ReadIn("service")] = False
    """``exact`` and ``containing`` are the whole table: nothing as deployed is kept."""
    default: Annotated[str, ReadIn("service")] = "business"
    """Service of every other action."""
    zone_ranges: Annotated[tuple[tuple[int, int, str], ...], ReadIn("zone"), RANGES] = ()
    """Inclusive ranges of a numeric openid, ``[[1, 9999, "001"], …]``; without one, MD5 decides."""

    @property
    def actions(self) -> dict[str, str]:
        """The whole table of actions: own entries and, unless they are replaced, those as deployed."""
        return self.exact if self.replace_defaults else {**DEFAULT_EXACT, **self.exact}

    @property
    def parts(self) -> dict[str, str]:
        """The whole table of parts of actions, own entries first."""
        if self.replace_defaults:
            return self.containing
        return self.containing | {part: to for part, to in DEFAULT_CONTAINING.items() if part not in self.containing}


class ProcessorConfig(Section):
    """``[processor]``: the queue and the workers behind it."""

    max_workers: Annotated[int, number(0, 10_000, "workers")] = 0
    """Upstream calls under way at once; 0 means processor cores × 4."""
    max_logins: Annotated[int, number(0, 10_000, "logins")] = 0
    """Hello calls under way at once; 0 means as many as workers. More wait in a queue of their own."""
    max_queue_size: Annotated[int, number(1, MAX_QUEUE, "requests")] = 10_000
    """Accepted requests that may wait, and logins as well; one more is answered 503."""
    task_timeout: Duration = 30.0
    """From acceptance to the reply; a client may ask for less with the header ``timeout-ms``."""
    drain_timeout: Duration = 30.0
    """How long a stop waits for what was accepted; the rest is answered 503."""

    @property
    def workers(self) -> int:
        """The number of workers that ``max_workers`` means on this machine."""
        return self.max_workers or (os.cpu_count() or 1) * 4

    @property
    def logins(self) -> int:
        """The number of hello calls at once that ``max_logins`` means."""
        return self.max_logins or self.workers


class SessionConfig(Section):
    """``[session]``: how long sessions live and how much they keep (protocol §2, §5)."""

    timeout: Duration = 300.0
    """A connection without any message for so long is closed with IDLE."""
    heartbeat_interval: Annotated[float, duration("1ms", "1h")] = 30.0
    """What clients are told to keep; sent in whole seconds, at least 1. Unless it is set, a shorter ``timeout`` brings
    it down to a third of that."""
    resume_window: Annotated[float, duration("1ms", "7d")] = 120.0
    """How long a session without a connection can be resumed, and an ended one is remembered."""
    window_messages: Annotated[int, number(1, 1_000_000, "messages")] = 1024
    """Messages kept per session until acknowledged."""
    window_bytes: Annotated[int, size(1, 1 << 30)] = 1 << 20
    """Bytes kept per session until acknowledged."""
    memory: Size = 256 << 20
    """Bytes kept for all sessions together; each message counts with 96 on top of its own."""
    start_timeout: Duration = 5.0
    """START must arrive within this time after the handshake."""
    frame_timeout: Duration = 5.0
    """A message that began may be so long without another byte."""
    frame_rate: Size = 4 << 10
    """Bytes a second with which a message must come that takes longer than ``frame_timeout``."""
    slow_consumer_after: Duration = 10.0
    """A window over 80 % without an acknowledgement for so long closes the connection with SLOW_CONSUMER."""
    bind_timeout: Duration = 60.0
    """How long a notify waits for the request it is bound to."""

    @property
    def told_interval(self) -> int:
        """The heartbeat interval that clients are told, in seconds."""
        written = "heartbeat_interval" in self.model_fields_set
        interval = self.heartbeat_interval if written else min(self.heartbeat_interval, self.timeout / 3)
        return max(1, int(interval))


class AuthConfig(Section):
    """``[auth]``: who may take which openid."""

    mode: Literal["none", "jwt"] = "none"
    """``none`` believes every client; ``jwt`` wants a signed token whose ``sub`` is the openid."""
    key_file: File | None = None
    """Secret (HS256) or PEM public key."""
    jwks_file: File | None = None
    """JSON Web Key Set, instead of key_file."""
    algorithms: Annotated[tuple[str, ...], Field(examples=[["HS256"]])] = ("HS256",)
    """Accepted signature algorithms: HS256, RS256, ES256, EdDSA."""
    audience: str | None = None
    """Required ``aud``."""
    issuer: str | None = None
    """Required ``iss``."""
    leeway: Annotated[float, duration("0s", "5m")] = 0.0
    """Clock difference that is forgiven when times in a token are checked."""


class LimitsConfig(Section):
    """``[limits]``: what one client, one address and the process may use."""

    messages_per_second: Rate = 100.0
    """BUSINESS messages per session and second; more are answered 429."""
    message_burst: Count = 200
    """BUSINESS messages that may come at once before the rate counts."""
    in_flight: Count = 64
    """Requests of one session without their reply; more are answered 429."""
    request_bytes: Size = 4 << 20
    """What they take in memory, per session; more are answered 429, but one alone is always taken."""
    request_memory: Annotated[int, size(16 << 20, 1 << 40)] = 256 << 20
    """What they take for all sessions together, at least 16 MiB; more are answered 503."""
    control_per_second: Rate = 100.0
    """Heartbeats, acknowledgements of nothing new and refused messages per connection and second; more close it."""
    control_burst: Count = 400
    """The same, at once before the rate counts."""
    auth_failures_per_minute: Count = 10
    """Refused tokens per address; over it, tokens from there are checked at a small rate."""
    max_connections: Count = 50_000
    """Connections at once."""
    max_half_open: Count = 512
    """Handshakes under way at once."""
    retry_above: Annotated[int, number(0, 1_000_000, "handshakes")] = 64
    """Above this many handshakes under way, a new client must prove its address (RFC 9000 §8.1.2). Unless it is set, a
    small ``max_half_open`` brings it down to half of that."""
    handshakes_per_second: Rate = 200.0
    """New connections per address and second."""

    @property
    def retry_from(self) -> int:
        """The number of handshakes that ``retry_above`` means."""
        return (
            self.retry_above
            if "retry_above" in self.model_fields_set
            else min(self.retry_above, self.max_half_open // 2)
        )


class OverloadConfig(Section):
    """``[overload]``: how what is too much is refused; the bounds themselves are in ``[limits]``."""

    count_only: Annotated[tuple[str, ...], Field(examples=[["full"]])] = ()
    """Rules that are counted and not enforced, to see what they would refuse (``/stats``: ``refused``)."""


class OfflineConfig(Section):
    """``[offline]``: pushes to an openid that has no session."""

    store: Literal["off", "memory", "sqlite"] = "off"
    """``off`` answers TARGET_NOT_FOUND; the others keep the push until the openid logs in."""
    path: File | None = None
    """Database file of ``sqlite``."""
    max_messages: Count = 100
    """Per openid."""
    max_bytes: Size = 256 << 10
    """Per openid."""
    max_total_bytes: Size = 64 << 20
    """For all."""
    max_age: Annotated[float, duration("1ms", "3650d")] = 86_400.0
    """Older messages are dropped and counted."""


class LogConfig(Section):
    """``[log]``: what goes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is written."""
    format: Literal["auto", "text", "json"] = "auto"
    """``auto``: text on a terminal, JSON lines elsewhere."""


class Config(BaseModel):
    """Everything that can be configured; ``load`` reads it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: ServerConfig = ServerConfig()
    tls: TlsConfig = TlsConfig()
    upstream: UpstreamConfig = UpstreamConfig()
    routing: RoutingConfig = RoutingConfig()
    processor: ProcessorConfig = ProcessorConfig()
    session: SessionConfig = SessionConfig()
    auth: AuthConfig = AuthConfig()
    limits: LimitsConfig = LimitsConfig()
    overload: OverloadConfig = OverloadConfig()
    offline: OfflineConfig = OfflineConfig()
    log: LogConfig = LogConfig()


SECTIONS: dict[str, type[BaseModel]] = {
    name: known.annotation
    for name, known in Config.model_fields.items()
    if isinstance(known.annotation, type) and issubclass(known.annotation, BaseModel)
}
