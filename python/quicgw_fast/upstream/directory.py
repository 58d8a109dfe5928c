"""Which instances serve a service, and whose turn it is. Knows addresses only; the caller dials them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from quicgw_fast.codes import RegisterCode
from quicgw_fast.config import join_address, split_address
from quicgw_fast.errors import ConfigError
from quicgw_fast.upstream.errors import NoInstance, RegisterRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_Ip = TypeVar("_Ip", ipaddress.IPv4Address, ipaddress.IPv6Address)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST_NAME = 253


@dataclass(eq=False, slots=True)
class Instance:
    """One upstream address; one that serves several services has one channel and one health.

    Whoever dials the address keeps the state of the connection.
    """

    address: str
    registered: bool
    """Came through RegisterUpstream: it may leave, and it gets no call before it was connected once."""
    healthy: bool = False
    """Was connected, and no attempt to connect has failed since."""
    connected: bool = False
    """Is connected now. A healthy one without a connection is about to get a new one."""
    tried: bool = False
    """A first attempt to connect has ended, well or badly."""
    reached: bool = False
    """Was connected at least once."""
    down_since: float = 0.0
    """Monotonic seconds at which it was last known not to be healthy; no meaning while it is."""
    reason: str = ""
    """Why it is not healthy, in a few words."""
    calls: int = 0
    failures: int = 0
    timeouts: int = 0
    in_flight: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    """Failures by gRPC status."""

    @property
    def callable(self) -> bool:
        """Whether it may be called at all: what registered itself and never connected may be a black hole."""
        return not self.registered or self.reached

    @property
    def preferred(self) -> bool:
        """Whether a call has good prospects: connected, or configured and about to be connected first."""
        return self.connected or not (self.registered or self.tried)


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

    def __init__(self, services: Iterable[str], *, max_instances: int = 64) -> None:
        self._members: dict[str, list[Instance]] = {service: [] for service in services}
        self._turn = dict.fromkeys(self._members, 0)
        self._by_address: dict[str, Instance] = {}
        self._configured: set[tuple[str, str]] = set()
        self._max_instances = max_instances
        self.listener: DirectoryListener | None = None

    def add_all(self, configured: Mapping[str, Iterable[str]]) -> None:
        """Add the configured addresses of each service; ConfigError for one that cannot be used."""
        for service, addresses in configured.items():
            for address in addresses:
                self.add(service, address)

    def add(self, service: str, address: str) -> Instance:
        """Add a configured address; ConfigError when it cannot be used."""
        if service not in self._members:
            raise ConfigError(f"upstream.{service}: no such service; known are {', '.join(self._members)}")
        try:
            instance = self._join(service, parse_address(address), registered=False)
        except ValueError as error:
            raise ConfigError(f"upstream.{service}: {error}") from error
        except RegisterRefused as error:
            raise ConfigError(f"upstream.{service}: {error}; configure fewer") from error
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

    def pick(self, service: str) -> Instance:
        """Return the next instance in turn of those with the best prospects.

        Those that are connected come first, then those that only just lost their connection, then all that may be
        called at all. Raises NoInstance when there is none.
        """
        members = self._members.get(service, ())
        start = self._turn[service] if members else 0
        second = third = None
        for turn in range(start, start + len(members)):
            instance = members[turn % len(members)]
            if instance.preferred:
                return self._took(service, turn)
            if instance.healthy:
                second = turn if second is None else second
            elif instance.callable:
                third = turn if third is None else third
        best = third if second is None else second
        if best is None:
            raise NoInstance(service)
        return self._took(service, best)

    def _took(self, service: str, turn: int) -> Instance:
        members = self._members[service]
        self._turn[service] = (turn + 1) % len(members)
        return members[turn % len(members)]

    def instances(self, service: str | None = None) -> tuple[Instance, ...]:
        """Return the instances of one service, or all of them, each once."""
        return tuple(self._by_address.values() if service is None else self._members.get(service, ()))

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
            if self.listener is not None:
                self.listener.instance_added(instance)
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
            if self.listener is not None:
                self.listener.instance_removed(instance, hang_up=hang_up)


def usable(address: str) -> str:
    """Do what ``parse_address`` does; raises RegisterRefused with BAD_ADDRESS."""
    try:
        return parse_address(address)
    except ValueError as error:
        raise RegisterRefused(RegisterCode.BAD_ADDRESS, str(error)) from error


def parse_address(address: str) -> str:
    """Return ``host:port`` in one spelling, the host a name, an IPv4 or a bracketed IPv6 address.

    Raises ValueError saying what is wrong. Port 0 is no address that can be called.
    """
    shown = f"address {address[:128]!r}"
    host, port = split_address(address)
    if port == 0:
        raise ValueError(f"{shown} has port 0, which cannot be called; write the port it listens on")
    written = address.rpartition(":")[0]
    if written == f"[{host}]":
        return join_address(str(_checked(ipaddress.IPv6Address, host, shown)), port)
    if host.replace(".", "").isdigit():
        return join_address(str(_checked(ipaddress.IPv4Address, host, shown)), port)
    name = written.lower().removesuffix(".")
    if len(name) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError(f"{shown} has no usable host; write HOST:PORT or [IPV6]:PORT, for example 127.0.0.1:9001")
    return join_address(name, port)


def _checked(kind: Callable[[str], _Ip], host: str, shown: str) -> _Ip:
    try:
        return kind(host)
    except ValueError as error:
        raise ValueError(f"{shown}: {error}") from error
