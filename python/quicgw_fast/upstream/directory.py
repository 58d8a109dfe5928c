"""Which instances serve a service. Knows addresses only: ``Channels`` dials them, ``Choice`` chooses among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from quicgw_fast.codes import RegisterCode
from quicgw_fast.errors import ConfigError, SettingError
from quicgw_fast.upstream.address import parse_address, usable
from quicgw_fast.upstream.errors import RegisterRefused
from quicgw_fast.upstream.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_INSTANCES = 64
"""Of one service, unless told otherwise: who registers may be anybody."""


class Registered(NamedTuple):
    """What a registration came to."""

    instance: Instance
    is_new: bool
    """False when it was registered for this service already."""


class DirectoryListener(Protocol):
    """Told when an address comes into use and when nothing uses it any more."""

    def instance_added(self, instance: Instance) -> None:
        """Start watching the address."""

    def instance_removed(self, instance: Instance, *, hang_up: bool) -> None:
        """Forget the address, at once with ``hang_up``, else when the calls under way are answered."""


class Directory:
    """Services and their instances.

    ``services`` are the only names it knows. ``max_instances`` bounds the instances per service; when that
    many are there, a newly registered one takes the place of the oldest registered one that is not healthy.
    """

    def __init__(self, services: Iterable[str], *, max_instances: int = MAX_INSTANCES) -> None:
        self._members: dict[str, list[Instance]] = {service: [] for service in services}
        self._by_address: dict[str, Instance] = {}
        self._configured: set[tuple[str, str]] = set()
        self._max_instances = max_instances
        self._listener: DirectoryListener | None = None

    def follow(self, listener: DirectoryListener) -> None:
        """Tell the listener of each instance that there is, and from now on of all that come and go."""
        self._listener = listener
        for instance in self._by_address.values():
            listener.instance_added(instance)

    def unfollow(self) -> None:
        """Tell the listener nothing any more."""
        self._listener = None

    def add(self, service: str, address: str) -> Instance:
        """Add a configured address; ConfigError when it cannot be used."""
        if service not in self._members:
            raise ConfigError(f"upstream.{service}: no such service; known are {', '.join(self._members)}")
        key = ("upstream", service)
        try:
            instance = self._join(service, parse_address(address), registered=False)
        except ValueError as error:
            raise SettingError(key, f"upstream.{service}: {error}") from error
        except RegisterRefused as error:
            raise SettingError(key, f"upstream.{service}: {error}; configure fewer") from error
        self._configured.add((service, instance.address))
        return instance

    def register(self, address: str, service: str) -> Registered:
        """Take in an instance that registered itself for one of the services.

        An address may serve several, and doing it again changes nothing. Raises RegisterRefused with BAD_ADDRESS or
        DIRECTORY_FULL.
        """
        before = self._by_address.get(address := usable(address))
        is_new = before not in self._members[service]
        return Registered(self._join(service, address, registered=True), is_new)

    def deregister(self, address: str, service: str) -> None:
        """Take a registered instance out of one service; calls under way are answered.

        Raises RegisterRefused with BAD_ADDRESS, with NOT_REGISTERED for what is not there, and with CONFIGURED for
        what the configuration names.
        """
        address = usable(address)
        instance = self._by_address.get(address)
        if instance is None or instance not in self._members[service]:
            raise RegisterRefused(RegisterCode.NOT_REGISTERED, f"{address} is not registered for {service}")
        if (service, address) in self._configured:
            raise RegisterRefused(
                RegisterCode.CONFIGURED, f"{address} is an instance by configuration (upstream.{service})"
            )
        self._leave(service, instance, hang_up=False)

    def forget(self, now: float, after: float) -> list[Instance]:
        """Take out every registered instance that has not been healthy for ``after`` seconds, and return them."""
        gone = [
            instance
            for instance in self._by_address.values()
            if instance.registered and not instance.healthy and now - instance.down_since >= after
        ]
        for instance in gone:
            for service in self.services_of(instance):
                self._leave(service, instance, hang_up=False)
        return gone

    def members(self, service: str) -> Sequence[Instance]:
        """Return the instances of one service, not a copy: none for a service that there is not."""
        return self._members.get(service, ())

    def instances(self, service: str | None = None) -> tuple[Instance, ...]:
        """Return the instances of one service, or all of them, each once."""
        return tuple(self._by_address.values() if service is None else self._members.get(service, ()))

    def report(self) -> list[dict[str, object]]:
        """What there is to tell of each instance; a call that was cancelled is in ``calls`` alone."""
        return [
            {
                "address": instance.address,
                "services": list(self.services_of(instance)),
                "registered": instance.registered,
                "healthy": instance.healthy,
                "reason": instance.reason,
                "calls": instance.calls,
                "failures": instance.failures,
                "failures_by_status": dict(instance.statuses),
                "timeouts": instance.timeouts,
                "in_flight": instance.in_flight,
            }
            for instance in self.instances()
        ]

    def services_of(self, instance: Instance) -> tuple[str, ...]:
        """Return the services that the instance serves."""
        return tuple(service for service, members in self._members.items() if instance in members)

    def _join(self, service: str, address: str, *, registered: bool) -> Instance:
        members = self._members[service]
        instance = self._by_address.get(address)
        if instance is not None and instance in members:
            return instance
        if len(members) >= self._max_instances:
            self._make_room(service)
        if instance is None:
            instance = self._by_address[address] = Instance(address, registered)
            if self._listener is not None:
                self._listener.instance_added(instance)
        members.append(instance)
        return instance

    def _make_room(self, service: str) -> None:
        for instance in self._members[service]:
            if instance.registered and not instance.healthy:
                self._leave(service, instance, hang_up=True)
                return
        raise RegisterRefused(RegisterCode.DIRECTORY_FULL, f"{service} has {self._max_instances} instances already")

    def _leave(self, service: str, instance: Instance, *, hang_up: bool) -> None:
        self._members[service].remove(instance)
        if not self.services_of(instance):
            del self._by_address[instance.address]
            if self._listener is not None:
                self._listener.instance_removed(instance, hang_up=hang_up)
