"""Which instances serve a service. Knows addresses only: ``Channels`` dials them, ``Choice`` chooses among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from quicgw_fast.codes import RegisterCode
from quicgw_fast.errors import ConfigError, SettingError
from quicgw_fast.upstream.address import parse_address, usable
from quicgw_fast.upstream.errors import RegisterRefused
from quicgw_fast.upstream.instance import Instance
from quicgw_fast.upstream.lookup import is_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

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
        self._expanded: dict[tuple[str, str], str] = {}
        """Service and address to the configured name of which it is an address."""
        self._stand_ins: dict[str, str] = {}
        """Service to the address that serves it only while nobody else does."""
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

    def check(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Return the addresses of each service in one spelling; SettingError for one that ``configure`` cannot take."""
        checked = {}
        for service, addresses in wanted.items():
            key = ("upstream", service)
            try:
                checked[service] = list(dict.fromkeys(map(parse_address, addresses)))
            except ValueError as error:
                raise SettingError(key, f"upstream.{service}: {error}") from error
            if len(checked[service]) > self._max_instances:
                told = f"upstream.{service} has {len(checked[service])} addresses, {self._max_instances} may be served"
                raise SettingError(key, f"{told}; configure fewer")
        return checked

    def configure(self, wanted: Mapping[str, Sequence[str]], registered: Callable[[str, str], bool]) -> None:
        """Have these be the configured addresses, as ``check`` returned them: what is new comes, what is left out goes.

        Calls under way to those that go are answered. ``registered`` tells of a service and an address whether a
        registration holds it: that stays. Of a service that is full, registered instances make room.
        """
        before = self._configured
        self._configured = {(service, address) for service, addresses in wanted.items() for address in addresses}
        for service, address in before - self._configured:
            instance = self._by_address.get(address)
            if instance is None or instance not in self._members[service]:
                continue
            if registered(service, address):
                instance.registered = True
            else:
                self._leave(service, instance, hang_up=False)
        for service, address in sorted(self._configured - self._stood_in_for()):
            self._configure_one(service, address)

    def _configure_one(self, service: str, address: str) -> None:
        members = self._members[service]
        instance = self._by_address.get(address)
        if instance is None or instance not in members:
            if len(members) >= self._max_instances:
                others = [each for each in members if (service, each.address) not in self._configured]
                self._leave(service, min(others, key=lambda each: each.healthy), hang_up=False)
            instance = self._join(service, address, registered=False)
        instance.registered = False

    def register(self, address: str, service: str) -> Registered:
        """Take in an instance that registered itself for one of the services.

        An address may serve several, and doing it again changes nothing. Raises RegisterRefused with BAD_ADDRESS or
        DIRECTORY_FULL.
        """
        before = self._by_address.get(address := usable(address))
        is_new = before not in self._members[service]
        return Registered(self._join(service, address, registered=True), is_new)

    def stand_in(self, service: str, address: str) -> None:
        """Have an address serve while no other one does: it leaves when one comes, and returns after the last."""
        self._stand_ins[service] = parse_address(address)
        self._let_stand_in(service)

    def _let_stand_in(self, service: str) -> None:
        address = self._stand_ins.get(service)
        if address is not None and not self._members[service]:
            self._join(service, address, registered=False)

    def deregister(self, address: str, service: str) -> None:
        """Take a registered instance out of one service; calls under way are answered.

        Raises RegisterRefused with BAD_ADDRESS, with NOT_REGISTERED for what is not there, and with CONFIGURED for
        what the configuration names.
        """
        address = usable(address)
        instance = self._by_address.get(address)
        if instance is None or instance not in self._members[service]:
            raise RegisterRefused(RegisterCode.NOT_REGISTERED, f"{address} is not registered for {service}")
        if (service, address) in self._configured or (service, address) in self._expanded:
            raise RegisterRefused(
                RegisterCode.CONFIGURED, f"{address} is an instance by configuration (upstream.{service})"
            )
        self._leave(service, instance, hang_up=False)

    def has(self, service: str, address: str) -> bool:
        """Whether an address, in one spelling, is an instance of a service, however it came to be one."""
        return self._by_address.get(address) in self._members[service]

    def has_registered(self, service: str, address: str) -> bool:
        """Whether an address, in one spelling, is an instance that ``deregister`` takes out."""
        instance = self._by_address.get(address)
        key = (service, address)
        return instance in self._members[service] and key not in self._configured and key not in self._expanded

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

    def names(self) -> set[str]:
        """Return the configured addresses whose host is a name, and no number."""
        return {address for _, address in self._configured if is_name(address)}

    def expand(self, addresses: Mapping[str, Collection[str]]) -> None:
        """Have the ``addresses`` of each configured name stand in for it, where there are any; calls are answered.

        Whatever stood in for one and is not there any more leaves. Of a service that is full, the rest stays away.
        """
        wanted = {
            (service, address): name
            for service, name in sorted(self._configured)
            for address in sorted(addresses.get(name, ()))
        }
        for service, address in self._expanded.keys() - wanted.keys() - self._configured:
            self._leave_if_there(service, address)
        self._expanded = {key: name for key, name in wanted.items() if self._stand_in(*key, name)}
        for service, name in self._stood_in_for():
            self._leave_if_there(service, name)

    def _stood_in_for(self) -> set[tuple[str, str]]:
        """Services and the configured names that are no instance, as their addresses are."""
        return {(service, name) for (service, _), name in self._expanded.items()}

    def _stand_in(self, service: str, address: str, name: str) -> bool:
        try:
            self._join(service, address, registered=False, name=name)
        except RegisterRefused:
            return False
        return True

    def _leave_if_there(self, service: str, address: str) -> None:
        instance = self._by_address.get(address)
        if instance is not None and instance in self._members[service]:
            self._leave(service, instance, hang_up=False)

    def members(self, service: str) -> Sequence[Instance]:
        """Return the instances of one service, not a copy: none for a service that there is not."""
        return self._members.get(service, ())

    def instances(self, service: str | None = None) -> tuple[Instance, ...]:
        """Return the instances of one service, or all of them, each once."""
        return tuple(self._by_address.values() if service is None else self._members.get(service, ()))

    def services_of(self, instance: Instance) -> tuple[str, ...]:
        """Return the services that the instance serves."""
        return tuple(service for service, members in self._members.items() if instance in members)

    def _join(self, service: str, address: str, *, registered: bool, name: str = "") -> Instance:
        members = self._members[service]
        instance = self._by_address.get(address)
        if instance is not None and instance in members:
            return instance
        if len(members) >= self._max_instances:
            self._make_room(service)
        if instance is None:
            instance = self._by_address[address] = Instance(address, registered, name)
            if self._listener is not None:
                self._listener.instance_added(instance)
        members.append(instance)
        stand_in = self._stand_ins.get(service, address)
        if stand_in != address:
            self._leave_if_there(service, stand_in)
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
        self._let_stand_in(service)
