"""What settings mean together: contradictions are refused, settings without effect are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.config.sense_of_cluster import contradictions_of_cluster, risks_of_cluster
from quicgw_fast.config.sense_of_quic_lb import contradictions_of_quic_lb, risks_of_quic_lb, unused_of_quic_lb
from quicgw_fast.config.tables.base import ReadIn
from quicgw_fast.config.values import MAX_PORT, is_loopback, split_address, write_duration, write_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.config.models import Config
    from quicgw_fast.config.places import Key
    from quicgw_fast.config.tables.base import Section

    Advice = tuple[Key, str]
    """A key, and a sentence about what was written there, which names it."""

_OPEN = {
    "grpc": "anybody who reaches it may push to every client, and register a service that gets their requests",
    "admin": "anybody who reaches it sees what the gateway does, and may change what can be changed there",
}
LARGEST_MESSAGE = 1 << 20
"""Bytes of one message (protocol §1); replies have a reserve of a quarter for what is kept with it."""
MESSAGE_COST = 96
"""Bytes that a message counts in ``session.memory`` on top of its own (``ByteBudget``)."""
CLIENT_HEARTBEAT = 5.0
"""Seconds between the heartbeats of a client that is not told to be quicker."""
HEARTBEATS = 2
"""Messages that a client may send in one heartbeat interval at least: the heartbeat and an acknowledgement."""
SHORTEST_TIMEOUT = 0.05
"""Seconds: in less nothing can be answered over a real network, so that nobody would ever be served."""
_TIMEOUTS = (
    *(("session", key) for key in ("timeout", "start_timeout", "frame_timeout")),
    ("processor", "task_timeout"),
)
LONGEST_TURN = 5.0
"""Seconds between two requests of a client that paces itself, which its own timeouts surely allow."""
LEAST_REQUESTS = 2
"""Of all clients together in a second."""
LEAST_PROCESS = 128 << 20
"""Bytes of the whole process: four in five of them are enough for one without any client."""
LEAST_MESSAGES, LEAST_BYTES = 2, 1 << 10
"""A window holds hello's reply and one more: they may be on their way before the first acknowledgement."""


def contradictions(config: Config) -> Iterator[tuple[tuple[Key, ...], str]]:
    """Say which keys go badly together, and why: with them a gateway starts and serves nobody, or not as it says.

    A default contradicts nothing that was written: it gives way where that is possible.
    """
    yield from _of_sessions(config)
    yield from _of_limits(config)
    yield from _of_queue(config)
    yield from _of_workers(config)
    yield from contradictions_of_cluster(config)
    yield from contradictions_of_quic_lb(config)
    if config.server.grpc == config.server.admin and not config.server.grpc.endswith(":0"):
        why = "gRPC and the admin pages each need an address of their own: change one"
        yield (("server", "grpc"), ("server", "admin")), why
    if config.drain.reconnect_to is not None and split_address(config.drain.reconnect_to)[1] == 0:
        why = "clients are sent there, and port 0 is none that they could dial: name the other gateway's"
        yield (("drain", "reconnect_to"),), why
    yield from _of_login(config)
    yield from _of_access(config)
    offline, auth = config.offline, config.auth
    if offline.max_bytes > offline.max_total_bytes and "max_bytes" in offline.model_fields_set:
        why = f"one openid may keep {write_size(offline.max_bytes)}, all together {write_size(offline.max_total_bytes)}"
        yield (("offline", "max_bytes"), ("offline", "max_total_bytes")), f"{why}: raise the second, or lower the first"
    if offline.store == "sqlite" and offline.path is None:
        yield (("offline", "store"), ("offline", "path")), "sqlite needs a file: set offline.path"
    if offline.store == "directory" and config.cluster.url is None:
        why = "messages wait in the directory of a cluster: set cluster.url, or use another offline store"
        yield (("offline", "store"), ("cluster", "url")), why
    if auth.mode == "jwt" and (auth.key_file is None) == (auth.jwks_file is None):
        both = (("auth", "mode"), ("auth", "key_file"), ("auth", "jwks_file"))
        yield both, "jwt needs exactly one of auth.key_file and auth.jwks_file"


def _of_sessions(config: Config) -> Iterator[tuple[tuple[Key, ...], str]]:
    session = config.session
    told = session.told_interval
    if session.timeout <= told and "heartbeat_interval" in session.model_fields_set:
        why = f"a client that keeps to heartbeats every {write_duration(told)} is closed as idle after "
        yield (
            (("session", "timeout"), ("session", "heartbeat_interval")),
            f"{why}{write_duration(session.timeout)}: the first must be above the second",
        )
    if session.memory < session.window_bytes:
        why = f"one session may keep {write_size(session.window_bytes)}, all together {write_size(session.memory)}"
        yield (("session", "memory"), ("session", "window_bytes")), f"{why}: raise the first, or lower the second"
    least = session.window_messages * MESSAGE_COST
    if session.memory < least:
        ours = f"{session.window_messages:_} messages of one session take {write_size(least)} at least"
        why = f"{ours}, all together may take {write_size(session.memory)}"
        yield (("session", "memory"), ("session", "window_messages")), f"{why}: raise the first, or lower the second"
    if session.memory < LARGEST_MESSAGE:
        need = f"one reply of the largest size would not fit: at least {write_size(LARGEST_MESSAGE)} are needed"
        yield (("session", "memory"),), need
    if session.window_messages < LEAST_MESSAGES:
        why = f"the replies to hello and to one request must fit: at least {LEAST_MESSAGES} messages are needed"
        yield (("session", "window_messages"),), why
    if session.window_bytes < LEAST_BYTES:
        why = f"the replies to hello and to one request must fit: at least {write_size(LEAST_BYTES)} are needed"
        yield (("session", "window_bytes"),), why
    for table, key in _TIMEOUTS:
        seconds = getattr(getattr(config, table), key)
        if seconds < SHORTEST_TIMEOUT:
            why = f"{write_duration(seconds)} is too short for any client"
            yield ((table, key),), f"{why}: at least {write_duration(SHORTEST_TIMEOUT)} are needed"


def _of_limits(config: Config) -> Iterator[tuple[tuple[Key, ...], str]]:
    limits, stages = config.limits, config.overload.memory_stages
    if list(stages) != sorted(stages):
        why = "each stage gives up what those before it do, and more: write growing shares"
        yield (("overload", "memory_stages"),), why
    if limits.retry_from >= limits.max_half_open:
        why = f"{limits.max_half_open} handshakes fill the gateway before anybody is asked to prove its address"
        yield (("limits", "retry_above"), ("limits", "max_half_open")), f"{why}: the first must be below the second"
    if limits.messages_per_second * LONGEST_TURN < 1:
        why = f"a client that paces itself by it waits {write_duration(1 / limits.messages_per_second)} for its turn"
        yield (("limits", "messages_per_second"),), f"{why}: at least {1 / LONGEST_TURN:g} a second are needed"
    if 0 < limits.requests_per_second < LEAST_REQUESTS:
        why = f"a login and a request of one client would be over it: at least {LEAST_REQUESTS} a second are needed"
        yield (("limits", "requests_per_second"),), why
    if 0 < limits.memory < LEAST_PROCESS:
        need = f"a gateway without any client takes as much: at least {write_size(LEAST_PROCESS)} are needed"
        yield (("limits", "memory"),), need
    if limits.request_bytes > limits.request_memory:
        ours = f"one session may hold {write_size(limits.request_bytes)}"
        why = f"{ours}, all together {write_size(limits.request_memory)}"
        yield (
            (("limits", "request_bytes"), ("limits", "request_memory")),
            f"{why}: raise the second, or lower the first",
        )
    if limits.request_bytes < LARGEST_MESSAGE:
        need = f"one request of the largest size takes more: at least {write_size(LARGEST_MESSAGE)} are needed"
        yield (("limits", "request_bytes"),), need
    beat = min(config.session.told_interval, CLIENT_HEARTBEAT)
    if limits.control_per_second * beat < HEARTBEATS:
        why = f"a client with heartbeats every {write_duration(beat)} would be over its rate"
        yield (("limits", "control_per_second"), ("session", "heartbeat_interval")), f"{why}: raise the first"


def _of_workers(config: Config) -> Iterator[tuple[tuple[Key, ...], str]]:
    workers, (host, first) = config.server.workers, split_address(config.server.admin)
    if workers == 1:
        return
    last, keys = first + workers - 1, (("server", "workers"), ("server", "admin"))
    if first and last > MAX_PORT:
        yield keys, f"each of {workers} workers needs the next admin port, and {last} does not exist: begin lower"
    grpc_host, grpc = split_address(config.server.grpc)
    if first and grpc_host == host and first < grpc <= last:
        why = f"the workers' admin pages take the ports {first} to {last}, and gRPC has one of them: move it"
        yield (*keys, ("server", "grpc")), why
    if config.cluster.url is None:
        why = "sessions of several workers find each other by a directory: set cluster.url, or one worker"
        yield (("server", "workers"), ("cluster", "url")), why
    if config.offline.store == "sqlite":
        why = "a file belongs to one process: use the offline store directory, or one worker"
        yield (("server", "workers"), ("offline", "store")), why


def _of_queue(config: Config) -> Iterator[tuple[tuple[Key, ...], str]]:
    pools = config.processor
    if pools.burst < pools.queue_target:
        why = f"no wait of {write_duration(pools.queue_target)} is seen within {write_duration(pools.burst)}"
        yield (
            (("processor", "queue_target"), ("processor", "queue_interval")),
            f"{why}: the second must not be below the first",
        )


def _of_login(config: Config) -> Iterator[tuple[tuple[Key, ...], str]]:
    auth = config.auth
    if auth.login == "token" and auth.mode == "none":
        why = 'nobody looks at tokens, and anybody would be logged in as anybody: set auth.mode to "jwt"'
        yield (("auth", "login"), ("auth", "mode")), why


def _of_access(config: Config) -> Iterator[tuple[tuple[Key, ...], str]]:
    control = config.control
    if (control.cert is None) != (control.key is None):
        yield (("control", "cert"), ("control", "key")), "TLS needs both: set the other one, too"
    elif control.client_ca is not None and control.cert is None:
        why = "certificates of services are shown over TLS alone: set control.cert and control.key"
        yield (("control", "client_ca"),), why
    upstream = config.upstream
    if (upstream.cert is None) != (upstream.key is None):
        yield (("upstream", "cert"), ("upstream", "key")), "to show a certificate needs both: set the other one, too"
    for key in ("cert", "server_name"):
        if getattr(upstream, key) is not None and upstream.ca is None:
            why = "services are called without TLS: set upstream.ca to the authorities of their certificates"
            yield (("upstream", key),), why
    for port, remedy in _unguarded(config):
        if port not in control.open_to_network:
            why = f"anybody on the network could use it: listen on loopback, {remedy}, or, where everybody is trusted, "
            yield (("server", port),), f'{why}set control.open_to_network = ["{port}"]'


def _unguarded(config: Config) -> Iterator[tuple[str, str]]:
    """The ports for services and operators that others can reach, and that take everybody; and what to do."""
    control = config.control
    if not _on_loopback(config.server.grpc) and control.grpc_token_file is None and control.client_ca is None:
        yield "grpc", "set control.grpc_token_file or control.client_ca"
    if not _on_loopback(config.server.admin) and control.admin_token_file is None:
        yield "admin", "set control.admin_token_file"


def _on_loopback(address: str) -> bool:
    return is_loopback(split_address(address)[0])


def _risks_of_access(config: Config) -> Iterator[Advice]:
    control = config.control
    unguarded = [port for port, _ in _unguarded(config)]
    for port in control.open_to_network:
        if port in unguarded:
            yield ("server", port), f"server.{port} is open to the network: {_OPEN[port]} (control.open_to_network)"
        else:
            why = f"server.{port} is on loopback or asks who it is"
            yield ("control", "open_to_network"), f'control.open_to_network: "{port}" has no effect: {why}'
    if control.grpc_token_file is not None and control.cert is None and not _on_loopback(config.server.grpc):
        why = "tokens of services go over the network as they are: set control.cert and control.key for TLS"
        yield ("control", "grpc_token_file"), why
    if control.admin_token_file is not None and not _on_loopback(config.server.admin):
        why = "tokens of operators go over the network as they are: put a proxy with TLS before it, on this machine"
        yield ("control", "admin_token_file"), why


def risks(config: Config) -> Iterator[Advice]:
    """Say what a client may do in good faith and must not, and what a stranger could."""
    yield from _risks_of_access(config)
    yield from risks_of_cluster(config)
    yield from risks_of_quic_lb(config)
    session = config.session
    if session.timeout <= session.told_interval and "heartbeat_interval" not in session.model_fields_set:
        why = f"a client that keeps to heartbeats every {session.told_interval} s, the shortest there is, is closed"
        yield ("session", "timeout"), f"session.timeout is {write_duration(session.timeout)}: {why} as idle"
    room = config.session.window_messages * 5 // 4  # replies have a reserve of a quarter (protocol §5)
    if config.limits.in_flight > room:
        allowed = f"limits.in_flight ({config.limits.in_flight})"
        why = "a client with so many requests under way overflows its window"
        yield ("limits", "in_flight"), f"{allowed} is more than session.window_messages holds (replies: {room}): {why}"


def without_effect(config: Config) -> Iterator[Advice]:
    """Say which settings were written and change nothing."""
    auth, offline = config.auth, config.offline
    if auth.mode == "none":
        for key in sorted(auth.model_fields_set - {"mode"}):
            yield ("auth", key), f'auth.{key} is not used: auth.mode is "none"; set it to "jwt"'
    elif auth.login == "hello":
        for key in sorted(auth.model_fields_set & {"zone_claim", "gid_claim"}):
            why = 'auth.login is "hello", whose answer has zone and gid; set it to "token"'
            yield ("auth", key), f"auth.{key} is not used: {why}"
    if config.cluster.url is None:
        for key in sorted(config.cluster.model_fields_set):
            yield ("cluster", key), f"cluster.{key} is not used: cluster.url is not set; set it to the directory's"
    if offline.store != "sqlite" and offline.path is not None:
        yield ("offline", "path"), f'offline.path is not used: offline.store is "{offline.store}"; set it to "sqlite"'
    if offline.store == "off":
        for key in sorted(offline.model_fields_set - {"store", "path"}):
            yield ("offline", key), f'offline.{key} is not used: offline.store is "off"; set it to "memory" or "sqlite"'
    yield from unused_of_quic_lb(config)
    yield from _of_other_modes(config.routing.mode, upstream=config.upstream, routing=config.routing)


def _of_other_modes(mode: str, **sections: Section) -> Iterator[Advice]:
    """Say which of the keys that were written belong to another routing mode."""
    for name, section in sections.items():
        for key in sorted(section.model_fields_set):
            for mark in type(section).model_fields[key].metadata:
                if isinstance(mark, ReadIn) and mark.mode != mode:
                    why = f", {mark.others}" if mark.others else ""
                    yield (name, key), f'{name}.{key} is not used: routing.mode is "{mode}"{why}'
