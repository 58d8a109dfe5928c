"""The secret behind stateless resets: its own, so that renewing the TLS key changes nothing and no twin shares it."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import tempfile
from typing import TYPE_CHECKING

from quicgw_fast.errors import StartupError
from quicgw_fast.files import read_small, warn_if_exposed

if TYPE_CHECKING:
    from pathlib import Path

LENGTH = 32
"""Bytes of a secret, and the least that a file must hold."""

_log = logging.getLogger("quicgw.transport")


def new_reset_key() -> bytes:
    """Make a secret for this process alone: after a restart its clients notice by their heartbeats only."""
    return os.urandom(LENGTH)


def reset_key_for(setting: Path | None, tls_key: Path, port: int) -> bytes:
    """Return the secret of the gateway on ``port``: from the file that is set, or else from one beside the TLS key.

    The name of that one has host and port in it, so that gateways that share a folder do not share a secret. Where
    it cannot be kept (a read-only folder) or would mean nothing (port 0) it is made for this process alone. Raises
    StartupError when the file that is set cannot be used.
    """
    if setting is not None:
        try:
            return kept_reset_key(setting)
        except OSError as error:
            raise StartupError(
                f"the reset key {setting} can be neither read nor made ({error.strerror}): check server.reset_key_file "
                "and the permissions of its folder"
            ) from error
    if port == 0:
        return new_reset_key()
    path = tls_key.with_name(f"quicgw-reset-{socket.gethostname()}-{port}.key")
    try:
        return kept_reset_key(path)
    except OSError as error:
        remedy = "set server.reset_key_file, or clients notice a restart by their heartbeats only"
        _log.info("reset key not kept", extra={"file": str(path), "reason": error.strerror, "remedy": remedy})
        return new_reset_key()


def kept_reset_key(path: Path) -> bytes:
    """Read the secret from ``path``, or make one and keep it there, readable by its owner only.

    With it a restarted gateway tells the clients of its predecessor at once. Every gateway needs a file of its own.
    Raises StartupError for a file that holds too little, and OSError for one that can be neither read nor made.
    """
    with contextlib.suppress(FileNotFoundError):
        return _read(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with contextlib.ExitStack() as stack:
        stack.callback(os.unlink, name)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(LENGTH) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another start was faster: its secret counts
            os.link(name, path)
    return _read(path)


def _read(path: Path) -> bytes:
    secret = read_small(path)
    if len(secret) < LENGTH:
        raise StartupError(
            f"{path} is not a reset key: it has {len(secret)} bytes; give server.reset_key_file {LENGTH} random bytes "
            "or more, or remove the file and a new one is made"
        )
    warn_if_exposed(path, "server.reset_key_file")
    return secret
