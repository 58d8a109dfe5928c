"""Which addresses something may have: networks and hosts, each with a port or for all of them."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.config.values import shown

if TYPE_CHECKING:
    Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST = re.compile(r"(?=.*[a-z])(\*\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)
_FORMS = "write a network (10.0.0.0/8), an address or a host (services.internal, *.internal), with :PORT or without"
_NEVER = (
    "0.0.0.0/8",  # this host, or the whole network: what is dialled there is not what was written
    "169.254.0.0/16",  # one link alone, where clouds tell their machines secrets (metadata)
    "224.0.0.0/4",
    "255.255.255.255/32",
    "100.100.100.200/32",  # metadata of a cloud, likewise
    "::/128",
    "fe80::/10",
    "ff00::/8",
    "fd00:ec2::254/128",  # metadata of a cloud
)
NEVER: tuple[Network, ...] = tuple(map(ipaddress.ip_network, _NEVER))
"""Where no service can be, and where asking may do harm: whatever is allowed, nothing is dialled there."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Allowed(NamedTuple):
    """One entry: a network or a host, and a port."""

    network: Network | None
    host: str
    """In small letters; ``*.`` at its beginning stands for one name or several."""
    port: int | None
    """None for any."""

    def takes(self, host: str, ip: Ip, port: int) -> bool:
        """Whether this entry lets ``ip``, of which ``host`` is what was written, be dialled at ``port``."""
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return ip in self.network
        return host.endswith(self.host[1:]) if self.host.startswith("*") else host == self.host


def parse_allowed(entry: str) -> Allowed:
    """Return what is written; ValueError says what is wrong, also with a network where nothing may ever be."""
    text, port = _without_port(entry.strip().lower())
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        if not _HOST.fullmatch(text):
            raise ValueError(f"{shown(entry)} is not an address that can be allowed; {_FORMS}") from None
        return Allowed(None, text, port)
    for never in NEVER:
        if network.version == never.version and network.subnet_of(never):  # type: ignore[arg-type]  # of one version
            raise ValueError(f"{shown(entry)} lies in {never}, where no service can be: leave it out")
    return Allowed(network, "", port)


def checked_allowed(entries: tuple[str, ...]) -> tuple[str, ...]:
    """Return the entries as they are; ValueError for one that ``parse_allowed`` refuses."""
    for entry in entries:
        parse_allowed(entry)
    return entries


def is_never(ip: Ip) -> bool:
    """Whether nothing may be dialled at ``ip``, also where an IPv6 address only carries an IPv4 one."""
    return any(each in network for each in _meant(ip) for network in NEVER)


def _meant(ip: Ip) -> list[Ip]:
    if ip.version == 4:
        return [ip]
    teredo = ip.teredo[1] if ip.teredo else None
    nat64 = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
    return [ip, *(each for each in (ip.ipv4_mapped, ip.sixtofour, teredo, nat64) if each is not None)]


def _without_port(text: str) -> tuple[str, int | None]:
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        return _bare(text), None
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65535):
        raise ValueError(f"{shown(text)} has no usable port; {_FORMS}")
    return _bare(host), int(port)


def _bare(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host
