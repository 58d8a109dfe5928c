"""``[server]``, ``[tls]`` and ``[log]``: where the gateway listens, as whom, and what it writes."""

from __future__ import annotations

from typing import Literal

from quicgw_fast.config.tables.base import File, Section
from quicgw_fast.config.values import Address


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


class LogConfig(Section):
    """``[log]``: what goes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is written."""
    format: Literal["auto", "text", "json"] = "auto"
    """``auto``: text on a terminal, JSON lines elsewhere."""
