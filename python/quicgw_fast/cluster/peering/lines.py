"""The lines of a node to the others: a channel each, opened by the first call, closed when the node is gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import grpc

from quicgw_fast.cluster.peering.methods import METHODS
from quicgw_fast.cluster.peers import PeerUnreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection
    from typing import TypeAlias

    from google.protobuf.message import Message

    from quicgw_fast.cluster.peering.access import NodeAccess

    AddressOf: TypeAlias = Callable[[str], Awaitable[str | None]]

LARGEST: Final = 64 << 20
"""Bytes of a message: what a session may keep is the gateway's own to bound, and many go in one answer."""
_OPTIONS: Final = (
    # A node that comes back is needed at once; one that is gone is known to the directory after its lease.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", LARGEST),
    ("grpc.max_send_message_length", LARGEST),
    ("grpc.enable_retries", 0),
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)
MEANT: Final = "node"
"""Key of what goes with each call: the name of the node that it is for. Another one may listen there by now."""
NO_MORE: Final = "it is no more: "
"""With what the refusal of such a one begins."""
_NO_CONNECTION: Final = "failed to connect to all addresses; last error: "
"""Of gRPC's own words those for a call that no connection was found for (of 1.85; a test provokes them)."""


_REFUSED: Final = "Connection refused"
"""In them, where the machine answered that nobody listens there."""


class NodeLines:
    """Calls other nodes by their names."""

    def __init__(self, access: NodeAccess, address_of: AddressOf) -> None:
        """``address_of`` knows where a node listens, as ``host:port``; None for a node that is not known."""
        self._access = access
        self._address_of = address_of
        self._open: dict[str, grpc.aio.Channel] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def call(self, node: str, name: str, request: Message, within: float) -> Any:
        """Call a method of a node, by its name in ``node.proto``; what it answers.

        Raises PeerUnreachable where no answer comes within so many seconds.
        """
        method = METHODS[name]
        call = (await self._channel(node)).unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.answer.FromString,
        )
        try:
            return await call(request, timeout=within, metadata=(*self._access.shown(), (MEANT, node)))
        except grpc.aio.AioRpcError as error:
            told = error.details() or error.code().name
            surely, ended = _not_taken(error.code(), told), _ended(told)
            raise PeerUnreachable(f"{node}: {told}", surely=surely, ended=ended) from error
        except asyncio.CancelledError as error:
            caller = asyncio.current_task()
            if caller is not None and caller.cancelling():
                raise
            # Its line was closed, which gRPC tells in this way; who called has to hear of it, and is not to end.
            raise PeerUnreachable(f"{node} is gone") from error

    def keep(self, nodes: Collection[str]) -> None:
        """Close the lines to all nodes but these."""
        for node in [node for node in self._open if node not in nodes]:
            task = asyncio.create_task(self._open.pop(node).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all; calls under way are broken off."""
        self.keep(())
        await asyncio.gather(*self._closing)

    async def _channel(self, node: str) -> grpc.aio.Channel:
        if node not in self._open:
            address = await self._address_of(node)
            if address is None:
                raise PeerUnreachable(f"{node} is no node of the cluster, or has not been heard of yet", surely=True)
            if node not in self._open:  # opened while this one was asked for
                self._open[node] = self._access.channel(address, _OPTIONS)
        return self._open[node]


def _ended(told: str) -> bool:
    return told.startswith(NO_MORE) or (told.startswith(_NO_CONNECTION) and _REFUSED in told)


def _not_taken(status: grpc.StatusCode, told: str) -> bool:
    """Whether a node surely did nothing for a call: it was not reached, or refused to look at it.

    Where a connection broke off the status is the same as where there was none, and the node may have been asked.
    """
    if status is grpc.StatusCode.UNAVAILABLE:
        return told.startswith((_NO_CONNECTION, NO_MORE))
    return status is grpc.StatusCode.UNAUTHENTICATED
