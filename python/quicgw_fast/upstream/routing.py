"""Which service a request goes to: by its action, or by its openid (protocol §3)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from quicgw_fast.config import DEFAULT_CONTAINING, DEFAULT_EXACT
from quicgw_fast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Mode = Literal["service", "zone"]

LOGIN = "hello"
"""The action that logs in, and the service that answers it (protocol §2)."""
SERVICES = ("hello", "business", "zone")
ZONES = ("001", "002", "003", "004", "005", "006")

# 2**64 - 1 has 20 digits; an openid with more is a name that happens to consist of digits.
_LONGEST_NUMBER = 20


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """The routing configuration, checked when it is made: ConfigError names the entry that cannot be used."""

    mode: Mode = "service"
    """``service`` routes by action, ``zone`` by openid."""
    exact: Mapping[str, str] = field(default_factory=lambda: DEFAULT_EXACT)
    """Lower-case action to service; looked at first."""
    containing: Mapping[str, str] = field(default_factory=lambda: DEFAULT_CONTAINING)
    """Lower-case part of an action to service; looked at next, in the order of the mapping."""
    default: str = "business"
    """Service of every other action."""
    zone_ranges: Sequence[tuple[int, int, str]] = ()
    """Inclusive ``(low, high, zone)`` of a numeric openid. An openid that is not a decimal number of at most
    20 digits, or lies in no range, falls to MD5. Only zone mode looks at them."""

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise ConfigError(f"routing.mode is {self.mode!r}; write 'service' or 'zone'")
        _check_actions("exact", self.exact)
        _check_actions("containing", self.containing)
        _check_service("routing.default", self.default)
        _check_ranges(self.zone_ranges)
        login = self._by_action(LOGIN)
        if self.mode == "service" and login != LOGIN:
            if LOGIN in self.exact:
                remedy = f'remove hello = "{login}" from [routing.exact]'
            else:  # the table as deployed has it
                remedy = 'add hello = "hello" to [routing.exact], or leave out routing.replace_defaults'
            raise ConfigError(
                f"the routing table sends the action hello to the service {login}, so that nobody could log in; "
                f"{remedy}"
            )

    @property
    def services(self) -> tuple[str, ...]:
        """Every name that ``service_for`` can return."""
        return SERVICES if self.mode == "service" else ZONES

    def service_for(self, action: str, openid: str) -> str:
        """Return the service (``hello`` …), or in zone mode the zone (``001`` … ``006``)."""
        return self._by_action(action) if self.mode == "service" else self._by_openid(openid)

    def _by_action(self, action: str) -> str:
        action = action.lower()
        service = self.exact.get(action)
        if service is not None:
            return service
        for part, service in self.containing.items():
            if part in action:
                return service
        return self.default

    def _by_openid(self, openid: str) -> str:
        if self.zone_ranges and openid.isascii() and openid.isdigit() and len(openid) <= _LONGEST_NUMBER:
            number = int(openid)
            for low, high, zone in self.zone_ranges:
                if low <= number <= high:
                    return zone
        return zone_of(openid)


def zone_of(openid: str) -> str:
    """Return the zone by MD5: the first 4 bytes of the digest, big-endian, mod 6, plus 1."""
    digest = hashlib.md5(openid.encode(), usedforsecurity=False).digest()
    return ZONES[int.from_bytes(digest[:4], "big") % len(ZONES)]


def _check_actions(table: str, actions: Mapping[str, str]) -> None:
    for action, service in actions.items():
        if not action or action != action.lower():
            raise ConfigError(
                f"routing.{table} has the action {action!r}; actions are compared in lower case, "
                "so write it in lower case and not empty"
            )
        _check_service(f"routing.{table}.{action}", service)


def _check_service(key: str, service: str) -> None:
    if service not in SERVICES:
        raise ConfigError(f"{key} names the service {service!r}; known are {', '.join(SERVICES)}")


def _check_ranges(ranges: Sequence[tuple[int, int, str]]) -> None:
    previous: tuple[int, int, str] | None = None
    for entry in sorted(ranges):
        low, high, zone = entry
        if not 0 <= low <= high:
            raise ConfigError(f"routing.zone_ranges has {entry}; write [low, high, zone] with 0 <= low <= high")
        if zone not in ZONES:
            raise ConfigError(f"routing.zone_ranges has the zone {zone!r}; known are {', '.join(ZONES)}")
        if previous is not None and low <= previous[1]:
            raise ConfigError(f"routing.zone_ranges: {previous} and {entry} overlap; a number has one zone")
        previous = entry
