"""The upstream side of a gateway, put together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from quicgw_fast.errors import SettingError
from quicgw_fast.upstream.allow import AllowList
from quicgw_fast.upstream.caller import BalancingCaller
from quicgw_fast.upstream.channels import Channels
from quicgw_fast.upstream.choice import Choice
from quicgw_fast.upstream.directory import Directory
from quicgw_fast.upstream.journal import UpstreamJournal
from quicgw_fast.upstream.names import Names
from quicgw_fast.upstream.own import OwnAddresses
from quicgw_fast.upstream.readiness import Readiness
from quicgw_fast.upstream.registration import Registration
from quicgw_fast.upstream.report import report, rows
from quicgw_fast.upstream.routing import make_mode
from quicgw_fast.upstream.tls import read_upstream_tls
from quicgw_fast.upstream.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.clock import Clock
    from quicgw_fast.config import RoutingConfig, UpstreamConfig
    from quicgw_fast.observe import Metrics
    from quicgw_fast.ports import CallGate
    from quicgw_fast.upstream.routing import RoutingMode
    from quicgw_fast.upstream.seam import OpenChannel


@dataclass(slots=True)
class Upstream:
    """What the outside needs of the upstream side: to start and close it, to call, to look at it."""

    mode: RoutingMode
    directory: Directory
    channels: Channels
    watch: Watch
    names: Names
    caller: BalancingCaller
    readiness: Readiness
    registration: Registration
    own: OwnAddresses
    """The gateway's, for whoever finds them out."""
    journal: UpstreamJournal
    forget_after: float
    clock: Clock

    def start(self) -> None:
        """Dial, look names up, and watch what comes of it, in the running loop."""
        self.channels.start()
        self.watch.start()
        self.names.start()

    async def close(self) -> None:
        """Break off what is under way (it raises UpstreamFailed) and close every channel; idempotent."""
        await self.names.close()
        await self.watch.close()
        await self.channels.close()

    def report(self) -> list[dict[str, object]]:
        """What there is to tell of each instance."""
        return report(self.directory, self.clock, self.registration.lease_left)

    def rows(self) -> list[dict[str, object]]:
        """The same for ``/upstreams``."""
        return rows(self.directory, self.clock, self.registration.lease_left)

    def drain(self, address: str, *, on: bool) -> bool:
        """Have an instance get no new calls, or get them again; False when it is not there.

        Calls under way are answered.
        """
        instance = next((each for each in self.directory.instances() if each.address == address), None)
        if instance is None:
            return False
        if instance.drained is not on:
            instance.drained = on
            self.journal.drained(instance)
            self.readiness.look()
        return True

    async def refuse_own_addresses(self) -> None:
        """Raise ConfigError when the gateway itself is configured as a service, as far as ``own`` knows it."""
        for instance in self.directory.instances():
            await self._refuse_own(instance.address, self.directory.services_of(instance))

    async def prepare(self, config: UpstreamConfig, routing: RoutingConfig) -> Callable[[], None]:
        """Check other settings, and return the step that takes them, which cannot fail.

        New addresses are dialled; calls under way to those that are left out are answered. Raises ConfigError for what
        cannot be used.
        """
        mode, allow = make_mode(routing), AllowList(config.allow)
        tls = await asyncio.to_thread(read_upstream_tls, config)
        wanted = self.directory.check(mode.configured(config))
        for service, addresses in wanted.items():
            for address in addresses:
                await self._refuse_own(address, (service,))

        def take() -> None:
            self.mode.adopt(mode)
            self.channels.use(tls)
            self.directory.configure(wanted, self.registration.holds)
            self.watch.reconfigure(config)
            self.names.reconfigure(config.resolve_every)
            self.forget_after = config.forget_after
            self.registration.reconfigure(allow)
            self.readiness.look()

        return take

    async def _refuse_own(self, address: str, names: Sequence[str]) -> None:
        if await self.own.include(address, names=False):
            services = ", ".join(f"upstream.{service}" for service in names)
            told = f"{services}: {address} is the gateway itself; write the service's address"
            raise SettingError(("upstream", names[0]), told)

    def tend(self, now: float) -> None:
        """Take out who stays away or did not renew its lease, and write what the log has not said yet.

        ``now`` is in monotonic seconds.
        """
        for instance in self.directory.forget(now, self.forget_after):
            self.journal.forgotten(instance, self.forget_after)
        self.registration.tend(now)
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
    abreast: int,
    hello: bool = True,
) -> Upstream:
    """Build all of it; ``open_channel`` is a maker's, ``gate`` is asked before each call.

    ``abreast`` calls are made at once at most; ``hello``: one of the services lets clients in. Raises ConfigError for
    an address or a certificate that cannot be used.
    """
    directory = Directory(mode.services)
    for service, addresses in mode.configured(config).items():
        for address in addresses:
            directory.add(service, address)
    journal = UpstreamJournal(directory, clock)
    readiness = Readiness(mode, directory, hello=hello)
    channels = Channels(directory, open_channel, clock, journal, readiness, read_upstream_tls(config))
    watch: Watch
    caller = BalancingCaller(
        mode,
        Choice(directory, Random()),
        channels,
        journal,
        clock,
        metrics,
        gate,
        judge=lambda instance: watch.judge(instance),
    )
    watch = Watch(
        directory,
        config,
        clock,
        metrics,
        journal,
        most=abreast,
        ask=channels.lives,
        give_up=caller.give_up,
        changed=readiness.look,
    )
    names = Names(directory, journal, clock, config.resolve_every)
    own = OwnAddresses()
    registration = Registration(mode, directory, channels, journal, own, AllowList(config.allow), clock, metrics)
    return Upstream(
        mode,
        directory,
        channels,
        watch,
        names,
        caller,
        readiness,
        registration,
        own,
        journal,
        config.forget_after,
        clock,
    )
