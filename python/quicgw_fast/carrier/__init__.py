"""Bytes of the stream to messages and back (protocol §1); no clock, no sockets."""

from quicgw_fast.carrier.incoming import parse_envelope, parse_payload, parse_start
from quicgw_fast.carrier.outgoing import unnumbered

__all__ = ["parse_envelope", "parse_payload", "parse_start", "unnumbered"]
