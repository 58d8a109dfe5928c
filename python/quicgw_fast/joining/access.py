"""What the nodes of a cluster show each other, read from the files that ``[cluster]`` names."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from quicgw_fast.cluster.peering import NodeAccess
from quicgw_fast.config import load_authorities, load_pair, read_pem, read_small, warn_if_exposed
from quicgw_fast.errors import SettingError

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.config import ClusterConfig

LEAST: Final = 16
"""Characters of a secret: shorter ones can be guessed."""


def read_node_access(config: ClusterConfig) -> NodeAccess:
    """Read the secret and the certificates; SettingError for a file that cannot be used.

    Which of them have to be there is said in ``config.sense_of_cluster``.
    """
    secret = None if config.secret_file is None else _secret(config.secret_file)
    if config.ca is None or config.cert is None or config.key is None:
        return NodeAccess(secret)
    named = {"ca": config.ca, "cert": config.cert, "key": config.key}
    ca, cert, key = (read_pem(path, "cluster", name) for name, path in named.items())
    warn_if_exposed(config.key, "cluster.key")
    # gRPC itself would take anything, and blame the address.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_pair(context, "cluster", config.cert, config.key)
    load_authorities(context, ca, "cluster", "ca")
    return NodeAccess(secret, ca, cert, key)


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
