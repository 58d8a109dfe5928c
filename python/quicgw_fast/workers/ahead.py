"""What a gateway is about to take, looked at before others hear of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.config import split_address
from quicgw_fast.control import AdminServer, ControlServer
from quicgw_fast.transport import load_identity, read_scheme, reset_key_for
from quicgw_fast.transport.sockets import listening_socket

if TYPE_CHECKING:
    from quicgw_fast.config import Config
    from quicgw_fast.workers.seat import Seat


async def look_ahead(config: Config, seat: Seat, tls_key: bytes | None) -> None:
    """Raise StartupError for a certificate, a key or a port that cannot be had; nothing is taken.

    Who fails behind this was a node of its cluster for a moment, and the others counted on it. A port may still be
    taken by somebody else between this look and the start.
    """
    certificate, key = config.tls.pair(tls_key)
    await asyncio.to_thread(load_identity, certificate, key)
    if (reset_key := config.server.reset_key_file) is not None:
        await asyncio.to_thread(reset_key_for, reset_key, certificate, 0)
    await asyncio.to_thread(read_scheme, config)
    AdminServer.bind(*seat.admin_address(config.server)).close()
    if seat.shared:  # the supervisor has the other two
        return
    ControlServer.require(*seat.grpc_address(config.server))
    (await listening_socket(*split_address(config.server.quic))).close()
