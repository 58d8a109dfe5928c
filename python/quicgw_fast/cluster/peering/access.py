"""Who may speak as a node: whoever knows the secret of the cluster, or has a certificate of its authority."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Handler = grpc.RpcMethodHandler[Any, Any] | None
    Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]

_SCHEME = "Bearer "


@dataclass(frozen=True, slots=True)
class NodeAccess:
    """What every node of a cluster shows to every other one, and wants to be shown. Nothing means everybody."""

    secret: str | None = field(default=None, repr=False)
    ca: bytes | None = None
    """PEM of the authority of all nodes; with it TLS is spoken, and both sides show a certificate."""
    cert: bytes | None = None
    """PEM of this node's certificate."""
    key: bytes | None = field(default=None, repr=False)
    """PEM of its private key."""

    def server_credentials(self) -> grpc.ServerCredentials | None:
        """By which the server asks for certificates; None for a plain connection."""
        if self.ca is None:
            return None
        assert self.cert is not None
        assert self.key is not None
        return grpc.ssl_server_credentials([(self.key, self.cert)], self.ca, require_client_auth=True)

    def channel(self, address: str, options: Sequence[tuple[str, int]]) -> grpc.aio.Channel:
        """Open a channel to a node; nothing is sent before the first call."""
        if self.ca is None:
            return grpc.aio.insecure_channel(address, options)
        credentials = grpc.ssl_channel_credentials(self.ca, self.key, self.cert)
        return grpc.aio.secure_channel(address, credentials, options)

    def shown(self) -> tuple[tuple[str, str], ...]:
        """What goes with each call."""
        return () if self.secret is None else (("authorization", _SCHEME + self.secret),)

    def interceptors(self) -> list[grpc.aio.ServerInterceptor]:
        """What the server asks before it looks at a call."""
        return [] if self.secret is None else [_Secret(self.secret)]


class _Secret(grpc.aio.ServerInterceptor):
    def __init__(self, secret: str) -> None:
        self._digest = _digest(_SCHEME + secret)
        # As if it were a stream: the message of any other call would be read first.
        self._refusal: Handler = grpc.stream_unary_rpc_method_handler(self._refuse)

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        shown = [value for key, value in handler_call_details.invocation_metadata or () if key == "authorization"]
        if any(hmac.compare_digest(_digest(value), self._digest) for value in shown):
            return await continuation(handler_call_details)
        return self._refusal

    async def _refuse(self, _: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        told = "nodes of this cluster show its secret: give every node the same cluster.secret_file"
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, told)


def _digest(shown: str | bytes) -> bytes:
    return hashlib.sha256(shown.encode() if isinstance(shown, str) else shown).digest()
