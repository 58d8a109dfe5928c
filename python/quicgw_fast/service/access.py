"""What a gateway's gRPC port may ask of services: a token, TLS, a certificate (``control.*`` of the gateway)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from quicgw_fast.files import read_small
from quicgw_fast.service.errors import ServiceMistake, ServiceNotStarted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_DIALLING: Sequence[tuple[str, int]] = (
    # A gateway that is back is there again after a second at most.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    # A connection whose other end is gone without a word is given up; the gateway takes a ping every 10 s.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class GatewayDoor:
    """The files of what is shown to a gateway. They are read for each connection, so that they may be renewed."""

    token_file: Path | None = None
    ca: Path | None = None
    """PEM of whoever signed the gateway's certificate; with it TLS is spoken."""
    cert: Path | None = None
    key: Path | None = None
    """PEM of an own certificate and its key, where the gateway wants one."""

    def check(self) -> None:
        """Raise ServiceMistake for files that do not go together, ServiceNotStarted for unreadable ones."""
        if (self.cert is None) != (self.key is None):
            raise ServiceMistake("cert and key go together: give both, or none")
        if self.cert is not None and self.ca is None:
            raise ServiceMistake(
                "an own certificate needs TLS: give ca, too, who signed the certificate of the gateway"
            )
        self.token()
        for path in (self.ca, self.cert, self.key):
            _read(path)

    @property
    def shows_itself_safely(self) -> bool:
        """Whether it may be shown at an address that only a request named: a token only to a gateway that has proven
        itself by its certificate."""
        return self.token_file is None or self.ca is not None

    def token(self) -> str | None:
        """Return the first token of the file, as ``control.grpc_token_file`` has them: one a line, # for remarks."""
        text = _read(self.token_file)
        if text is None:
            return None
        lines = (line.strip() for line in text.decode("utf-8", "replace").splitlines())
        token = next((line for line in lines if line and not line.startswith("#")), "")
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ServiceNotStarted(f"no line of {self.token_file} is a token: letters, digits and -._~+/")
        return token

    def channel(self, address: str) -> grpc.aio.Channel:
        """Open a channel that shows all of it; raises ServiceNotStarted."""
        token = self.token()
        interceptors = [] if token is None else [_ShowTokenToGateway(token)]
        if self.ca is None:
            return grpc.aio.insecure_channel(_target(address), _DIALLING, interceptors=interceptors)
        credentials = grpc.ssl_channel_credentials(_read(self.ca), _read(self.key), _read(self.cert))
        return grpc.aio.secure_channel(_target(address), credentials, _DIALLING, interceptors=interceptors)


@dataclass(frozen=True, slots=True)
class OwnDoor:
    """The files with which a service is called over TLS (``upstream.ca`` of the gateway); none: without."""

    cert: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    """PEM of whoever signed the certificate that callers must show."""

    def credentials(self) -> grpc.ServerCredentials | None:
        """Read them; raises ServiceMistake for files that do not go together, ServiceNotStarted for unreadable ones."""
        cert, key = _read(self.cert), _read(self.key)
        if cert is None or key is None:
            if cert or key or self.client_ca:
                raise ServiceMistake("to be called over TLS, give cert and key; client_ca may come with them")
            return None
        return grpc.ssl_server_credentials([(key, cert)], _read(self.client_ca), self.client_ca is not None)


class _ShowTokenToGateway(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, token: str) -> None:
        self._shown = ("authorization", f"Bearer {token}")

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        metadata = (*(client_call_details.metadata or ()), self._shown)
        return await continuation(client_call_details._replace(metadata=grpc.aio.Metadata(*metadata)), request)


def checked_address(text: object, what: str) -> str:
    """Return ``host:port``; raises ServiceMistake that begins with ``what``."""
    host, port = split(text, what)
    if not host or port == 0:
        raise ServiceMistake(f"{what} {text!r} has no {'port' if host else 'host'}; write HOST:PORT, as 127.0.0.1:8092")
    return str(text)


def split(text: object, what: str) -> tuple[str, int]:
    """Return host, without brackets, and port of an address; raises ServiceMistake that begins with ``what``."""
    shown = f"{what} {text!r}"
    if not isinstance(text, str):
        raise ServiceMistake(f"{shown} is no text; write HOST:PORT, for example 127.0.0.1:9001")
    if "://" in text:
        raise ServiceMistake(f"{shown} is a URL; write HOST:PORT alone")
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ServiceMistake(f"{shown} has no port; write HOST:PORT, for example 127.0.0.1:9001")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare and bare == host:
        raise ServiceMistake(f"{shown} is an IPv6 address without brackets; write [{bare}]:{port}")
    return bare, int(port)


def _target(address: str) -> str:
    """Return the gRPC target, with its scheme, so that no host is taken for a scheme."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return f"ipv{ipaddress.ip_address(host).version}:{address}"
    except ValueError:
        return f"dns:///{address}"


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return read_small(path)
    except OSError as error:
        raise ServiceNotStarted(f"cannot read {path}: {error.strerror or error}") from error
