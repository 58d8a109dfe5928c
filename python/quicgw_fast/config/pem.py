"""Certificates and keys that settings name, read and checked: whoever uses them would fail in each handshake."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from quicgw_fast.errors import SettingError
from quicgw_fast.files import read_small

if TYPE_CHECKING:
    from pathlib import Path


def read_pem(path: Path, table: str, key: str) -> bytes:
    """Return what the file holds that ``table.key`` names; raises SettingError when it cannot be read."""
    try:
        return read_small(path)
    except OSError as error:
        told = f"{table}.{key}: cannot read {path}: {error.strerror or error}; give the path of a readable PEM file"
        raise SettingError((table, key), told) from error


def load_pair(context: ssl.SSLContext, table: str, cert: Path, key: Path) -> None:
    """Have the context show the certificate ``table.cert``; raises SettingError for one that its key is not of."""
    try:
        # Without a password of ours OpenSSL would ask whoever sits at the terminal.
        context.load_cert_chain(cert, key, password=lambda: b"")
    except (ssl.SSLError, ValueError, OSError) as error:
        told = f"{table}.cert, {table}.key: {cert} and {key} are not a certificate and its key as PEM ({error})"
        raise SettingError((table, "cert"), f"{told}; name the two files of one pair") from error


def load_authorities(context: ssl.SSLContext, pem: bytes, table: str, key: str) -> None:
    """Have the context believe these authorities alone; raises SettingError where there are none."""
    try:
        context.load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        told = f"{table}.{key}: no certificates of authorities as PEM are in that file ({error})"
        raise SettingError((table, key), f"{told}; name the file of their certificates, not of keys") from error
