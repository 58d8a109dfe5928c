"""What ``[quic_lb]`` means together with itself and with ``[server]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.config.tables.quic_lb import LONGEST_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.config.models import Config
    from quicgw_fast.config.places import Key

MOST_WORKERS: Final = 32
"""As many as the five bits of an id tell apart that QUIC-LB leaves to a server."""
SHORT_NONCE: Final = 6
"""Bytes. Each start counts from another place on: with as many it comes to a nonce of an earlier one once in a million
starts, after a hundred million ids in each."""


def contradictions_of_quic_lb(config: Config) -> Iterator[tuple[tuple[Key, ...], str]]:
    """Say which keys go badly together; nothing where ids are random, as nothing of it is used then."""
    if config.server.connection_ids == "random":
        return
    settings, workers = config.quic_lb, config.server.workers
    if settings.server_id is None:
        why = "a balancer finds this gateway by its id: set quic_lb.server_id, to another one for each gateway"
        yield (("server", "connection_ids"), ("quic_lb", "server_id")), why
        return
    server_id = len(settings.server_id) // 2
    length = 1 + server_id + settings.nonce_length
    if length > LONGEST_ID:
        parts = f"1 byte of the configuration, {server_id} and {settings.nonce_length}"
        why = f"a connection id has at most {LONGEST_ID} bytes, and {parts} are {length}: shorten one"
        yield (("quic_lb", "server_id"), ("quic_lb", "nonce_length")), why
    if workers > MOST_WORKERS:
        why = f"ids for a balancer have room for {MOST_WORKERS} workers: start fewer, or leave ids random"
        yield (("server", "workers"), ("server", "connection_ids")), why


def risks_of_quic_lb(config: Config) -> Iterator[tuple[Key, str]]:
    """Say what is probably not meant."""
    settings = config.quic_lb
    if config.server.connection_ids == "random":
        return
    if settings.key_file is None:
        why = "anybody on the way reads which gateway an id is of, and links a client's old address with its new one"
        yield ("server", "connection_ids"), f"quic_lb.key_file is not set: {why}"
    elif settings.nonce_length < SHORT_NONCE:
        told = f"quic_lb.nonce_length is {settings.nonce_length}"
        why = f"after some starts an id may come again, which is bad for the key: take {SHORT_NONCE} or more"
        yield ("quic_lb", "nonce_length"), f"{told}: {why}"


def unused_of_quic_lb(config: Config) -> Iterator[tuple[Key, str]]:
    """Say which settings were written and change nothing."""
    if config.server.connection_ids == "random":
        for key in sorted(config.quic_lb.model_fields_set):
            why = 'server.connection_ids is "random"; set it to "quic-lb"'
            yield ("quic_lb", key), f"quic_lb.{key} is not used: {why}"
