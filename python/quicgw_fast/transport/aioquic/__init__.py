"""QUIC by aioquic, driven from our own socket: the only importer of aioquic, and a ``seam.TransportMaker``."""

from quicgw_fast.transport import packets
from quicgw_fast.transport.aioquic.dialer import connect
from quicgw_fast.transport.aioquic.listener import AioquicListener

NAME = "aioquic"
VERSIONS = packets.VERSIONS
listen = AioquicListener

__all__ = ["NAME", "VERSIONS", "connect", "listen"]
