"""``routing.mode = "zone"``: every request of an openid goes to the openid's zone, hello included (protocol §3)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar, Self

from quicgw_fast.codes import RegisterCode
from quicgw_fast.errors import SettingError
from quicgw_fast.proto.service_pb2 import UpstreamRegisterRequest
from quicgw_fast.upstream.routing.mode import one_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quicgw_fast.config import RoutingConfig, UpstreamConfig

ZONES = ("001", "002", "003", "004", "005", "006")

_KEY = ("routing", "zone_ranges")
_LONGEST_NUMBER = 20
"""Digits of 2**64 - 1; an openid with more is a name that happens to consist of digits."""


class ZoneMode:
    """By openid: by its range if it is a number and lies in one, else by its MD5."""

    services: ClassVar[tuple[str, ...]] = ZONES
    login_service: ClassVar[str | None] = None
    login_name: ClassVar[str] = "any zone"

    def __init__(self, config: RoutingConfig) -> None:
        self._ranges = config.zone_ranges

    def adopt(self, other: Self, /) -> None:
        """See ``RoutingMode``."""
        self._ranges = other._ranges

    @staticmethod
    def mistakes(config: RoutingConfig) -> Iterator[SettingError]:
        """See ``RoutingMode``."""
        previous: tuple[int, int, str] | None = None
        for entry in sorted(config.zone_ranges):
            low, high, zone = entry
            if not 0 <= low <= high:
                told = f"routing.zone_ranges has {entry}; write [low, high, zone] with 0 <= low <= high"
                yield SettingError(_KEY, told)
                continue
            if zone not in ZONES:
                yield SettingError(_KEY, f"routing.zone_ranges has the zone {zone!r}; known are {', '.join(ZONES)}")
            if previous is not None and low <= previous[1]:
                yield SettingError(_KEY, f"routing.zone_ranges: {previous} and {entry} overlap; a number has one zone")
            previous = entry

    @staticmethod
    def configured(upstream: UpstreamConfig) -> Mapping[str, Sequence[str]]:  # noqa: ARG004
        """See ``RoutingMode``. A zone has no addresses but those that registered."""
        return {}

    @staticmethod
    def logins_at_once(wanted: int, max_concurrency: int) -> int:  # noqa: ARG004
        """See ``RoutingMode``. A zone that is busy says nothing of the others."""
        return wanted

    @staticmethod
    def registration(address: str, service: str) -> UpstreamRegisterRequest:
        """See ``RoutingMode``."""
        return UpstreamRegisterRequest(address=address, zone_id=service)

    @staticmethod
    def registered_service(request: UpstreamRegisterRequest) -> str:
        """See ``RoutingMode``. Raises RegisterRefused with BAD_ZONE."""
        return one_of(ZONES, request.zone_id.strip(), "zone_id", RegisterCode.BAD_ZONE)

    def service_for(self, action: str, openid: str) -> str:  # noqa: ARG002 - every action of an openid
        """See ``RoutingMode``."""
        if self._ranges and openid.isascii() and openid.isdigit() and len(openid) <= _LONGEST_NUMBER:
            number = int(openid)
            for low, high, zone in self._ranges:
                if low <= number <= high:
                    return zone
        return zone_of(openid)


def zone_of(openid: str) -> str:
    """Return the zone by MD5: the first 4 bytes of the digest, big-endian, mod 6, plus 1."""
    digest = hashlib.md5(openid.encode(), usedforsecurity=False).digest()
    return ZONES[int.from_bytes(digest[:4], "big") % len(ZONES)]
