"""What ``[quic_lb]`` says, with the key that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.errors import SettingError
from quicgw_fast.files import read_small, warn_if_exposed
from quicgw_fast.transport.quic_lb import KEY_LENGTH, QuicLb

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.config import Config


def read_scheme(config: Config) -> QuicLb | None:
    """Return how connection ids tell a balancer where they lead; None where they do not.

    Raises SettingError for a key that cannot be used. What has to be set is said in ``config.sense_of_quic_lb``.
    """
    settings = config.quic_lb
    if config.server.connection_ids == "random" or settings.server_id is None:
        return None
    key = None if settings.key_file is None else _key(settings.key_file)
    return QuicLb(settings.config_id, bytes.fromhex(settings.server_id), settings.nonce_length, key)


def _key(path: Path) -> bytes:
    try:
        text = read_small(path)
    except OSError as error:
        raise _unusable(f"cannot read {path}: {error.strerror}") from error
    try:
        key = bytes.fromhex(text.decode())
    except ValueError:
        key = b""
    if len(key) != KEY_LENGTH:
        told = f"{path} has no key of {2 * KEY_LENGTH} hexadecimal digits"
        raise _unusable(f"{told}; make one with: openssl rand -hex {KEY_LENGTH}")
    warn_if_exposed(path, "quic_lb.key_file")
    return key


def _unusable(why: str) -> SettingError:
    return SettingError(("quic_lb", "key_file"), f"quic_lb.key_file: {why}")
