"""Bytes of a connection to messages and back (protocol §1); no clock, no sockets. The agreed ALPN picks the carrier."""

from collections.abc import Mapping
from typing import Final

from quicgw_fast.carrier.gatesvr import MAX_BODY, MAX_BODY_BEFORE_START, GatesvrCarrier
from quicgw_fast.carrier.incoming import parse_envelope
from quicgw_fast.carrier.outgoing import unnumbered
from quicgw_fast.ports import GATESVR, MakeCarrier

CARRIERS: Final[Mapping[str, MakeCarrier]] = {GATESVR: GatesvrCarrier}
"""ALPN to carrier; a gateway offers exactly these. Another one is a file, and a line here."""

__all__ = ["CARRIERS", "MAX_BODY", "MAX_BODY_BEFORE_START", "parse_envelope", "unnumbered"]
