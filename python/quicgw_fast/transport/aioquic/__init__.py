"""The transport over aioquic: a sans-I/O QUIC that is read in Python, driven from a socket of our own.

All that knows aioquic is in this folder, and what is private in aioquic in two files of it: ``private`` and
``receiving``.
"""

from typing import Final

from quicgw_fast.transport.aioquic.dialer import dial
from quicgw_fast.transport.aioquic.listener import AioquicListener

NAME: Final = "aioquic"
listen = AioquicListener.start

__all__ = ["NAME", "dial", "listen"]
