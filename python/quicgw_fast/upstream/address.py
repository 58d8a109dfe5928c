"""Addresses of services, as people and programs write them: checked, and in one spelling."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, TypeVar

from quicgw_fast.codes import RegisterCode
from quicgw_fast.config import join_address, split_address
from quicgw_fast.upstream.errors import RegisterRefused

if TYPE_CHECKING:
    from collections.abc import Callable

_Ip = TypeVar("_Ip", ipaddress.IPv4Address, ipaddress.IPv6Address)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST_NAME = 253


def usable(address: str) -> str:
    """Do what ``parse_address`` does; raises RegisterRefused with BAD_ADDRESS."""
    try:
        return parse_address(address)
    except ValueError as error:
        raise RegisterRefused(RegisterCode.BAD_ADDRESS, str(error)) from error


def parse_address(address: str) -> str:
    """Return ``host:port`` in one spelling, the host a name, an IPv4 or a bracketed IPv6 address.

    Raises ValueError saying what is wrong. Port 0 cannot be called.
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
