"""Which instances serve a service, and whose turn it is. Knows addresses only; the caller dials them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from quicgw_fast.config import join_address, split_address
from quicgw_fast.errors import ConfigError
from quicgw_fast.upstream.errors import NoInstance, RegisterRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quicgw_fast.upstream.routing import Mode

_Ip = TypeVar("_Ip", ipaddress.IPv4Address, ipaddress.IPv6Address)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST_NAME = 253


@dataclass(eq=False, slots=True)
class Instance:
    """One upstream address; one that serves several services has one channel and one health."""

    address: str
    registered: bool
    """Came through RegisterUpstream; only such a one may be pushed out by a newer one."""
    healthy: bool = True
    """Kept by whoever dials the address; an address never tried counts as healthy."""
    calls: int = 0
    failures: int = 0
    timeouts: int = 0
    in_flight: int = 0


class DirectoryListener(Protocol):
    """Told when an address comes into use and when nothing uses it any more."""

    def instance_added(self, instance: Instance) -> None:
        """Start watching the address."""

    def instance_removed(self, instance: Instance) -> None:
        """Forget the address."""


class Directory:
    """Services (in zone mode: zones) and their instances.

    ``services`` are the only names it knows. ``max_instances`` bounds the instances per service; when that
    many are there, a newly registered one takes the place of the oldest registered one that is unhealthy.
    """

    def __init__(self, services: Iterable[str], mode: Mode = "service", max_instances: int = 64) -> None:
        self._members: dict[str, list[Instance]] = {service: [] for service in services}
        self._turn = dict.fromkeys(self._members, 0)
        self._by_address: dict[str, Instance] = {}
        self._mode = mode
        self._max_instances = max_instances
        self.listener: DirectoryListener | None = None

    def add(self, service: str, address: str) -> Instance:
        """Add a configured address; ConfigError when it cannot be used."""
        if service not in self._members:
            raise ConfigError(f"upstream.{service}: no such service; known are {', '.join(self._members)}")
        try:
            return self._join(service, parse_address(address), registered=False)
        except ValueError as error:
            raise ConfigError(f"upstream.{service}: {error}") from error
        except RegisterRefused as error:
            raise ConfigError(f"upstream.{service}: {error}; configure fewer") from error

    def register(self, address: str, zone_id: str = "", service_name: str = "") -> str:
        """Take in an instance that registered itself, and return the service or zone it now serves.

        Service mode looks at ``service_name``, zone mode at ``zone_id``. Doing it again changes nothing,
        except that in zone mode an address leaves the zone it was in before.
        Raises RegisterRefused with BAD_ADDRESS, BAD_SERVICE, BAD_ZONE or DIRECTORY_FULL.
        """
        service = self._registered_service(zone_id, service_name)
        try:
            address = parse_address(address)
        except ValueError as error:
            raise RegisterRefused("BAD_ADDRESS", str(error)) from error
        instance = self._join(service, address, registered=True)
        if self._mode == "zone":
            for other in self._members:
                if other != service and instance in self._members[other]:
                    self._leave(other, instance)
        return service

    def pick(self, service: str) -> Instance:
        """Return the next healthy instance in turn, or the next one at all when none is healthy.

        Raises NoInstance when there is none.
        """
        members = self._members.get(service)
        if not members:
            raise NoInstance(service)
        start = self._turn[service]
        for turn in range(start, start + len(members)):
            instance = members[turn % len(members)]
            if instance.healthy:
                break
        else:
            turn = start
            instance = members[turn % len(members)]
        self._turn[service] = (turn + 1) % len(members)
        return instance

    def instances(self, service: str | None = None) -> tuple[Instance, ...]:
        """Return the instances of one service, or all of them, each once."""
        return tuple(self._by_address.values() if service is None else self._members.get(service, ()))

    def services_of(self, instance: Instance) -> tuple[str, ...]:
        """Return the services that the instance serves."""
        return tuple(service for service, members in self._members.items() if instance in members)

    def _registered_service(self, zone_id: str, service_name: str) -> str:
        if self._mode == "zone":
            service, what, error_code = zone_id.strip(), "zone_id", "BAD_ZONE"
        else:
            service, what, error_code = service_name.strip().lower(), "service_name", "BAD_SERVICE"
        if service not in self._members:
            known = ", ".join(self._members)
            raise RegisterRefused(error_code, f"{what} {service[:64]!r} is not known; known are {known}")
        return service

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
                self._leave(service, instance)
                return
        raise RegisterRefused("DIRECTORY_FULL", f"{service} has {self._max_instances} instances already")

    def _leave(self, service: str, instance: Instance) -> None:
        self._members[service].remove(instance)
        if not self.services_of(instance):
            del self._by_address[instance.address]
            if self.listener is not None:
                self.listener.instance_removed(instance)


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
