"""Which addresses services may register: anybody who may register could have the gateway call whatever it reaches.

A name is looked up once, each of its addresses is judged, and those are what is dialled: who can change what a name
means (DNS rebinding) gets no other address dialled by it.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING

from quicgw_fast.codes import RegisterCode
from quicgw_fast.config import is_never, join_address, parse_allowed, split_address
from quicgw_fast.upstream.address import usable
from quicgw_fast.upstream.errors import RegisterRefused
from quicgw_fast.upstream.lookup import is_name, lookup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quicgw_fast.upstream.lookup import Resolve

PATIENCE = 1.0
"""Seconds for a look-up."""
MOST = 16
"""Addresses of one name that are used."""


class AllowList:
    """What ``upstream.allow`` says."""

    def __init__(self, entries: Sequence[str]) -> None:
        """Raises ValueError for an entry that is none."""
        self._entries = [parse_allowed(entry) for entry in entries]

    def refusal(self, written: str, address: str) -> str | None:
        """Say why ``address`` is not to be dialled, None when it may be.

        ``written`` is how the service wrote it, both ``host:port``.
        """
        host, port = split_address(address)
        ip = ipaddress.ip_address(host.partition("%")[0])
        if is_never(ip):
            return "no service can be there"
        plain = getattr(ip, "ipv4_mapped", None) or ip
        if any(entry.takes(split_address(written)[0], plain, port) for entry in self._entries):
            return None
        return "upstream.allow does not have it"


async def dialled(written: str, allow: AllowList, resolve: Resolve = lookup) -> list[str]:
    """Return the addresses by number that ``written``, in the spelling of ``parse_address``, stands for.

    Raises RegisterRefused with UNKNOWN_HOST, and with NOT_ALLOWED when none of them may be dialled.
    """
    found = [written] if not is_name(written) else await _look_up(written, resolve)
    why = {address: allow.refusal(written, address) for address in found}
    good = [address for address, refusal in why.items() if refusal is None]
    if not good:
        address, refusal = next(iter(why.items()))
        meant = "" if address == written else f" is {address}, and"
        raise RegisterRefused(RegisterCode.NOT_ALLOWED, f"{written}{meant} may not be registered: {refusal}")
    return good[:MOST]


async def _look_up(written: str, resolve: Resolve) -> list[str]:
    host, port = split_address(written)
    try:
        async with asyncio.timeout(PATIENCE):
            found = await resolve(host)
    except OSError as error:  # also a TimeoutError
        why = str(error) or f"no answer within {PATIENCE:g} s"
        raise RegisterRefused(RegisterCode.UNKNOWN_HOST, f"{written} cannot be looked up: {why}") from error
    if not found:
        raise RegisterRefused(RegisterCode.UNKNOWN_HOST, f"{written} has no address")
    return [usable(join_address(ip, port)) for ip in found]
