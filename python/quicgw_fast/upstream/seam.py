"""What a maker of upstream calls offers: the channel to one instance. All that concerns several is above it, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from quicgw_fast.ports import NO_METADATA

if TYPE_CHECKING:
    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.ports import Metadata, ServiceRequest
    from quicgw_fast.proto.service_pb2 import UpstreamResponse
    from quicgw_fast.upstream.instance import Instance
    from quicgw_fast.upstream.tls import UpstreamTls


class ChannelListener(Protocol):
    """Told of what becomes of a channel's connection; ``instance`` has the new state already."""

    def channel_up(self, instance: Instance) -> None:
        """Note that it is connected, and was not healthy before."""

    def channel_down(self, instance: Instance) -> None:
        """Note that it is not healthy any more, or that its first attempt failed; ``instance.reason`` says why."""


class Channel(Protocol):
    """The way to one instance, which it keeps connected, and whose health it writes into the instance."""

    def begin(
        self,
        request: ServiceRequest,
        timeout: float,
        done: Done[UpstreamResponse],
        metadata: Metadata = NO_METADATA,
    ) -> Cancellable:
        """Begin to call ProcessRequest once; ``timeout`` in seconds, which the service is told at most.

        ``done`` is told the answer, or UpstreamTimeout or UpstreamFailed: AnswerTooLarge for an answer that no frame
        could carry, or that is over a bound of the maker's own. Nothing is tried twice unless the service said that it
        never looked at the call. A failure is ``never_sent`` only where that is sure.
        """

    async def wait_reached(self, seconds: float) -> None:
        """Wait until it is connected, at most ``seconds``."""

    async def lives(self, seconds: float) -> bool:
        """Whether a health check is answered within that time, with whatever status."""

    def renew(self, tls: UpstreamTls | None) -> None:
        """Connect anew, and in this way from now on; calls under way end over the connection that they are on."""

    async def drain(self) -> None:
        """Close when the calls under way have ended by themselves."""

    async def close(self) -> None:
        """Close; calls under way end with UpstreamFailed. Idempotent."""


class OpenChannel(Protocol):
    """How a channel is made."""

    def __call__(self, instance: Instance, listener: ChannelListener, tls: UpstreamTls | None, /) -> Channel:
        """Begin to connect to the instance, in the running loop; without ``tls`` in the open."""


class ChannelMaker(Protocol):
    """The module of one maker, as ``makers.load`` returns it."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of the module
        """Which maker it is."""

    @property
    def open_channel(self) -> OpenChannel:
        """Make a channel."""
