"""What ``[cluster]`` means together with itself and with the ports of ``[server]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.config.values import MAX_PORT, is_loopback, is_wildcard, split_address, write_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.config.models import Config
    from quicgw_fast.config.places import Key
    from quicgw_fast.config.tables.cluster import ClusterConfig

    Contradiction = tuple[tuple[Key, ...], str]


SHORT_LEASE: Final = 1.0
"""Seconds."""


def contradictions_of_cluster(config: Config) -> Iterator[Contradiction]:
    """Say which keys go badly together; nothing where there is no cluster, as nothing of it is used then."""
    if config.cluster.url is None:
        return
    if config.session.devices != "newest":
        why = "several devices of an openid, or one that is kept, are known to one gateway alone: leave it at newest"
        yield (("cluster", "url"), ("session", "devices")), why
    yield from _of_access(config.cluster)
    yield from _of_the_way(config.cluster)
    yield from _of_ports(config)


def risks_of_cluster(config: Config) -> Iterator[tuple[Key, str]]:
    """Say what is probably not meant."""
    lease = config.cluster.lease
    if config.cluster.url is not None and lease < SHORT_LEASE:
        why = "a gateway that stands still for so long, as on a machine with much to do, loses its sessions"
        yield ("cluster", "lease"), f"cluster.lease is {write_duration(lease)}: {why}"


def _of_access(cluster: ClusterConfig) -> Iterator[Contradiction]:
    paths = {"ca": cluster.ca, "cert": cluster.cert, "key": cluster.key}
    if any(paths.values()) and not all(paths.values()):
        # First what was written: there it is told.
        keys = tuple(("cluster", key) for key in sorted(paths, key=lambda key: paths[key] is None))
        yield keys, "ca, cert and key go together: set all of them, or none"
    if not is_loopback(split_address(cluster.listen)[0]) and cluster.secret_file is None and cluster.ca is None:
        why = "anybody who reaches it could take sessions: set cluster.secret_file, or cluster.ca, cert and key"
        yield (("cluster", "listen"),), why


def _of_the_way(cluster: ClusterConfig) -> Iterator[Contradiction]:
    """Of what the other gateways are told to dial."""
    if cluster.advertise is None:
        if is_wildcard(split_address(cluster.listen)[0]):
            why = "the other gateways cannot dial every address of this machine: set cluster.advertise to one"
            yield (("cluster", "listen"),), why
        return
    host, port = split_address(cluster.advertise)
    if is_wildcard(host) or port == 0:
        what = "port 0" if port == 0 else f"{host} (every address of a machine)"
        yield (("cluster", "advertise"),), f"the other gateways cannot dial {what}: name where they reach this one"


def _of_ports(config: Config) -> Iterator[Contradiction]:
    """Of TCP ports that are wanted twice; ``server.quic`` is UDP, and may have the same number."""
    host, first = split_address(config.cluster.listen)
    workers = config.server.workers
    if first == 0:
        return
    if first + workers - 1 > MAX_PORT:
        why = f"each of {workers} workers needs the next port, and {first + workers - 1} does not exist: begin lower"
        yield (("cluster", "listen"), ("server", "workers")), why
    for key, ports in (("grpc", 1), ("admin", workers)):
        other, begin = split_address(getattr(config.server, key))
        same = host == other or is_wildcard(host) or is_wildcard(other)
        if same and begin and first < begin + ports and begin < first + workers:
            why = "other gateways and who comes there each need a port of their own: change one"
            yield (("cluster", "listen"), ("server", key)), why
