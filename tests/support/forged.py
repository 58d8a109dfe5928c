"""A START whose sender's address is forged: QUIC authenticates packets, not where they come from."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from time import monotonic
from typing import TYPE_CHECKING

from aioquic.buffer import encode_uint_var

from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.transport.helpers import RawClient

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def address_of(host: str) -> Iterator[socket.socket]:
    """A stranger's address; it is never used to answer a path challenge."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((host, 0))
        yield sock


async def start(
    server: tuple[str, int],
    openid: str,
    token: str,
    *,
    host: str = "127.0.0.1",
    forged: socket.socket | None = None,
    within: float = 20.0,
) -> pb.StartResponse | None:
    """Shake hands from ``host``, send START from there or from a ``forged`` address, and return the answer.

    None is an end, or ``within`` seconds, without an answer.
    """
    body = pb.StartRequest(openid=openid, auth_token=token).SerializeToString()
    said = wire.frame(pb.ClientRequest(msg_id=1, type=pb.REQUEST_START, payload=body).SerializeToString())
    async with RawClient(server, host=host) as client:
        await client.connected()
        client.quic.send_stream_data(0, b"")  # so that it knows the stream; what is said there it sends by hand
        client.frames(b"\x0a" + encode_uint_var(0) + encode_uint_var(len(said)) + said, by=forged)
        deadline = monotonic() + within
        while not client.data and client.close_seen is None and monotonic() < deadline:
            if forged is not None:
                client.hear(forged)
            await asyncio.sleep(0.002)
        bodies = wire.Splitter().feed(bytes(client.data))
        return pb.StartResponse.FromString(pb.ServerPush.FromString(bodies[0]).payload) if bodies else None
