"""What the nodes of a cluster show each other, read from the files that ``[cluster]`` names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.cluster.peering import NodeAccess
from quicgw_fast.config import is_loopback, read_pem, read_small, split_address, warn_if_exposed
from quicgw_fast.errors import SettingError

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.config import ClusterConfig

LEAST: Final = 16
"""Characters of a secret: shorter ones can be guessed."""


def read_node_access(config: ClusterConfig) -> NodeAccess:
    """Read the secret and the certificates; SettingError for a file that cannot be used, and where one is missing."""
    secret = None if config.secret_file is None else _secret(config.secret_file)
    pems = {name: getattr(config, name) for name in ("ca", "cert", "key")}
    if any(pems.values()) and not all(pems.values()):
        missing = next(name for name, path in pems.items() if path is None)
        raise SettingError(("cluster", missing), f"cluster.{missing} is not set: ca, cert and key go together")
    host, _ = split_address(config.listen)
    if not is_loopback(host) and secret is None and config.ca is None:
        told = "anybody who reaches it could take sessions: set cluster.secret_file, or cluster.ca, cert and key"
        raise SettingError(("cluster", "listen"), f"cluster.listen is {config.listen}: {told}")
    if config.ca is None:
        return NodeAccess(secret)
    warn_if_exposed(pems["key"], "cluster.key")
    return NodeAccess(secret, *(read_pem(path, "cluster", name) for name, path in pems.items() if path is not None))


def _secret(path: Path) -> str:
    try:
        secret = read_small(path).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise SettingError(("cluster", "secret_file"), f"cluster.secret_file: cannot read {path}: {why}") from error
    if len(secret) < LEAST or not secret.isascii() or not secret.isprintable():
        told = f"{path} has no secret of {LEAST} printable characters or more; make one with: openssl rand -hex 32"
        raise SettingError(("cluster", "secret_file"), f"cluster.secret_file: {told}")
    warn_if_exposed(path, "cluster.secret_file")
    return secret
