"""The channels: one to each instance that the directory has, for as long as it has it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from quicgw_fast.clock import Clock
    from quicgw_fast.upstream.directory import Directory
    from quicgw_fast.upstream.instance import Instance
    from quicgw_fast.upstream.journal import UpstreamJournal
    from quicgw_fast.upstream.readiness import Readiness
    from quicgw_fast.upstream.seam import Channel, OpenChannel
    from quicgw_fast.upstream.tls import UpstreamTls


class Channels:
    """Dials what comes into the directory and hangs up on what leaves it (``DirectoryListener``).

    What becomes of a connection (``ChannelListener``) goes to the journal, and may change who is ready.
    """

    def __init__(
        self,
        directory: Directory,
        open_channel: OpenChannel,
        clock: Clock,
        journal: UpstreamJournal,
        readiness: Readiness,
        tls: UpstreamTls | None,
    ) -> None:
        """Without ``tls`` connections are made in the open."""
        self._directory = directory
        self._open_channel = open_channel
        self._clock = clock
        self._journal = journal
        self._readiness = readiness
        self._tls = tls
        self._open: dict[str, Channel] = {}
        """By address."""
        self._leaving: dict[Channel, asyncio.Task[None]] = {}
        """Channels to instances that are not in the directory any more, and what ends them."""
        self.closed = False

    def start(self) -> None:
        """Dial, in the running loop."""
        self._directory.follow(self)

    async def close(self) -> None:
        """Break off what is under way (it raises UpstreamFailed) and close every channel; idempotent."""
        self.closed = True
        self._directory.unfollow()
        channels = [*self._open.values(), *self._leaving]
        self._open.clear()
        await asyncio.gather(*(channel.close() for channel in channels), *self._leaving.values())

    def use(self, tls: UpstreamTls | None) -> None:
        """Make connections in this way from now on, and those that there are anew, unless nothing is different."""
        if tls == self._tls:
            return
        self._tls = tls
        for channel in self._open.values():
            channel.renew(tls)

    def to(self, instance: Instance) -> Channel:
        """The channel to an instance of the directory."""
        return self._open[instance.address]

    async def wait_reached(self, instance: Instance, seconds: float) -> bool:
        """Wait at most ``seconds`` until the instance is connected; return whether it is."""
        channel = self._open.get(instance.address)
        if channel is not None:
            await channel.wait_reached(seconds)
        return instance.connected

    async def lives(self, instance: Instance, seconds: float) -> bool:
        """Whether the instance answers a health check within that time, with whatever status."""
        channel = self._open.get(instance.address)
        return channel is not None and await channel.lives(seconds)

    # What becomes of the instances

    def instance_added(self, instance: Instance) -> None:
        """Dial the instance and follow its health."""
        instance.down_since = self._clock.now()
        self._open[instance.address] = self._open_channel(instance, self, self._tls)

    def instance_removed(self, instance: Instance, *, hang_up: bool) -> None:
        """Close the connection, at once or when the calls under way have ended."""
        channel = self._open.pop(instance.address)
        ending: Coroutine[None, None, None] = channel.close() if hang_up else channel.drain()
        self._leaving[channel] = task = asyncio.create_task(ending, name=f"upstream-close-{instance.address}")
        task.add_done_callback(lambda _: self._leaving.pop(channel, None))
        self._readiness.look()

    def channel_up(self, instance: Instance) -> None:
        """See ``ChannelListener``."""
        self._journal.up(instance)
        self._readiness.look()

    def channel_down(self, instance: Instance) -> None:
        """See ``ChannelListener``."""
        instance.down_since = self._clock.now()
        self._journal.down(instance)
        self._readiness.look()
