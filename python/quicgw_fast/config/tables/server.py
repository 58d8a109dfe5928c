"""``[server]``, ``[tls]`` and ``[log]``: where the gateway listens, as whom, and what it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from quicgw_fast.config.tables.base import File, MadeFile, Section
from quicgw_fast.config.values import Address, duration, number
from quicgw_fast.errors import ConfigError


class ServerConfig(Section):
    """``[server]``: where the gateway listens; port 0 takes any free port."""

    live: ClassVar = frozenset({"watch"})

    quic: Address = "0.0.0.0:8443"
    """UDP address for clients (QUIC)."""
    grpc: Address = "127.0.0.1:8092"
    """Address of the gateway's own gRPC services: pushes, registration, health, reflection."""
    grpc_advertise: Annotated[Address | None, Field(examples=["gateway-1.internal:8092"])] = None
    """Where services reach ``grpc``: each request tells them in its header ``gateway``, so that they push through the
    gateway that has the session. With port 0 that of ``grpc`` counts. Without one it is the address that ``grpc`` is
    bound to; where that is a wildcard the header is empty."""
    admin: Address = "127.0.0.1:8080"
    """HTTP address for operators: health, numbers, and what can be changed while it runs."""
    workers: Annotated[int, number(1, 64, "processes")] = 1
    """How many processes share the UDP port and the gRPC port of this machine; each has admin pages of its own, on the
    port of ``admin`` and those after it. More than one needs ``[cluster]``."""
    transport: Literal["aioquic", "quinn"] = "aioquic"
    """Who does QUIC: aioquic, in Python, or quinn, which is compiled and takes a fraction of the time."""
    connection_ids: Literal["random", "quic-lb"] = "random"
    """What connection ids tell a load balancer: nothing (``random``), or by ``[quic_lb]`` which gateway they are of, so
    that a client stays at its gateway when its address changes."""
    short_path: bool = True
    """Whether aioquic is passed by where a packet is plain. What happens is the same without, and takes more than twice
    as long."""
    reset_key_file: Annotated[File | None, MadeFile(), Field(examples=["reset.key"])] = None
    """Secret of stateless resets (RFC 9000 §10.3), by which a restarted gateway tells its old clients at once that
    their connections are gone. Made if it is not there; every gateway needs its own. Without one, a file beside
    ``tls.key`` is used where it can be written."""
    watch: Annotated[float, duration("0s", "1h")] = 1.0
    """How often this file and those of certificates and keys are looked at, to be read again when one has changed; 0
    never."""


class TlsConfig(Section):
    """``[tls]``: PEM files; both are needed to serve."""

    live: ClassVar = frozenset({"cert", "key"})

    cert: Annotated[File | None, Field(examples=["server.pem"])] = None
    """Certificate chain, the server's own first."""
    key: Annotated[File | None, Field(examples=["server.key"])] = None
    """Private key of the certificate."""

    def pair(self, key_in_memory: bytes | None = None) -> tuple[Path, Path | bytes]:
        """The certificate and its key, or the one in no file; raises ConfigError where one of them is not set."""
        key = key_in_memory or self.key
        if self.cert is not None and key is not None:
            return self.cert, key
        need = "QUIC needs a certificate and its key, both PEM files"
        if self.cert is None and self.key is None:
            raise ConfigError(f"tls.cert and tls.key are not set; {need}")
        there, missing = ("tls.cert", "tls.key") if self.key is None else ("tls.key", "tls.cert")
        raise ConfigError(f"only {there} is set, {missing} is not; {need}")


class LogConfig(Section):
    """``[log]``: what goes to standard error."""

    live: ClassVar = frozenset({"level"})

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is written to standard error."""
    format: Literal["auto", "text", "json"] = "auto"
    """``auto``: text on a terminal, JSON lines elsewhere."""
