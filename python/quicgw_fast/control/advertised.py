"""Under which address services reach the gateway's gRPC port: what they are told with each request (protocol §3)."""

from __future__ import annotations

from quicgw_fast.addresses import join_address
from quicgw_fast.config import is_wildcard, split_address


def advertised_address(advertise: str | None, host: str, port: int) -> str:
    """Return it as ``host:port``, where ``host`` and ``port`` are what the port is bound to.

    ``advertise`` goes before it, with the port that is bound if its own is 0. Empty where only a wildcard is known:
    which of the machine's addresses and names others can reach cannot be known from here.
    """
    if advertise is not None:
        name, own_port = split_address(advertise)
        return join_address(name, own_port or port)
    return "" if is_wildcard(host) else join_address(host, port)
