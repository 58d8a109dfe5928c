"""The upstream side of a gateway, put together."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from quicgw_fast.errors import SettingError
from quicgw_fast.upstream.caller import BalancingCaller
from quicgw_fast.upstream.channels import Channels
from quicgw_fast.upstream.choice import Choice
from quicgw_fast.upstream.directory import Directory
from quicgw_fast.upstream.journal import UpstreamJournal
from quicgw_fast.upstream.own import OwnAddresses
from quicgw_fast.upstream.readiness import Readiness
from quicgw_fast.upstream.registration import Registration

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.config import UpstreamConfig
    from quicgw_fast.observe import Metrics
    from quicgw_fast.ports import CallGate
    from quicgw_fast.upstream.routing import RoutingMode
    from quicgw_fast.upstream.seam import OpenChannel


@dataclass(frozen=True, slots=True)
class Upstream:
    """What the outside needs of the upstream side: to start and close it, to call, to look at it."""

    directory: Directory
    channels: Channels
    caller: BalancingCaller
    readiness: Readiness
    registration: Registration
    own: OwnAddresses
    """The gateway's, for whoever finds them out."""
    journal: UpstreamJournal
    forget_after: float

    async def refuse_own_addresses(self) -> None:
        """Raise ConfigError when the gateway itself is configured as a service, as far as ``own`` knows it."""
        for instance in self.directory.instances():
            if await self.own.include(instance.address, names=False):
                names = self.directory.services_of(instance)
                services = ", ".join(f"upstream.{service}" for service in names)
                told = f"{services}: {instance.address} is the gateway itself; write the service's address"
                raise SettingError(("upstream", names[0]), told)

    def tend(self, now: float) -> None:
        """Forget who stays away, and write what the log has not said yet; ``now`` in monotonic seconds."""
        for instance in self.directory.forget(now, self.forget_after):
            self.journal.forgotten(instance, self.forget_after)
        self.readiness.look()
        self.journal.flush(now)


def assemble_upstream(
    mode: RoutingMode,
    config: UpstreamConfig,
    clock: Clock,
    metrics: Metrics,
    *,
    open_channel: OpenChannel,
    gate: CallGate,
) -> Upstream:
    """Build all of it; ``open_channel`` is a maker's, ``gate`` is asked before each call.

    Raises ConfigError for an address that cannot be used.
    """
    most = config.max_concurrency
    metrics.gauge("upstream_max_concurrency", "Calls of one service that may be under way, 0: any", lambda: most)
    directory = Directory(mode.services)
    for service, addresses in mode.configured(config).items():
        for address in addresses:
            directory.add(service, address)
    journal = UpstreamJournal(directory, clock)
    readiness = Readiness(mode, directory)
    channels = Channels(directory, open_channel, clock, journal, readiness)
    caller = BalancingCaller(mode, Choice(directory, Random()), channels, journal, clock, metrics, gate)
    own = OwnAddresses()
    registration = Registration(mode, directory, channels, journal, own)
    return Upstream(directory, channels, caller, readiness, registration, own, journal, config.forget_after)
