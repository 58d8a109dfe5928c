"""What is handed to a maker: the socket, connection ids, the secret of resets, the protocols."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.clock import SystemClock
from quicgw_fast.transport import ConnectFailed, Problem, TransportLimits, load
from quicgw_fast.transport.certificates import load_identity
from quicgw_fast.transport.connection_ids import ConnectionIds
from quicgw_fast.transport.packets import CID_LENGTH, reset_tokens
from quicgw_fast.transport.reading import Eager
from quicgw_fast.transport.sockets import listening_socket
from tests.support.gatekeeper import gatekeeper
from tests.support.usual import Watch

from .helpers import HOST, MuteSocket, Recorders, dial, listen, until

if TYPE_CHECKING:
    from pathlib import Path


async def test_what_a_listener_is_given_is_what_it_uses(identity: tuple[Path, Path], maker: str) -> None:
    numbers = itertools.count(1)
    sock = await listening_socket(HOST, 0)
    secret = b"s" * 32
    server, client = Recorders(echo=True), Recorders()
    listener = load(maker).listen(
        sock,
        load_identity(*identity),
        server,
        alpn=["one", "two"],
        limits=TransportLimits(),
        gatekeeper=gatekeeper(),
        observer=Watch(),
        reset_key=secret,
        connection_ids=ConnectionIds(lambda: next(numbers).to_bytes(CID_LENGTH, "big"), CID_LENGTH),
        clock=SystemClock(),
        pace=Eager(),
    )
    assert listener.address == sock.getsockname()
    connection = await dial(*listener.address, factory=client, insecure=True, alpn=["two"])
    connection.send(b"hello")
    await until(lambda: client[0].data == b"hello")
    assert next(numbers) > 1
    # A packet for an id of the generator that is not in use is answered with the token of that id.
    with MuteSocket(listener.address) as asking:
        unused = (1 << 40).to_bytes(CID_LENGTH, "big")
        asking.send(b"\x40" + unused + bytes(60))
        answers: list[bytes] = []
        await until(lambda: answers.extend(asking.answers()) or answers)
    assert answers[0].endswith(reset_tokens(secret)(unused))
    connection.close(0)
    await connection.wait_closed()
    await listener.close()


async def test_the_protocol_is_one_that_both_sides_have(identity: tuple[Path, Path], maker: str) -> None:
    certificate, key = identity
    server = Recorders()
    options = {"certificate": certificate, "private_key": key}
    listener = await listen(HOST, 0, factory=server, alpn=["one", "two"], **options)
    for offered, agreed in ((["one"], "one"), (["two"], "two"), (["other", "two"], "two")):
        client = Recorders()
        connection = await dial(*listener.address, factory=client, insecure=True, alpn=offered)
        assert connection.alpn == agreed
        await until(lambda: server)
        assert server.pop().connection.alpn == agreed
        connection.close(0)
        await connection.wait_closed()
    with pytest.raises(ConnectFailed, match="does not speak 'other'") as failed:
        await dial(*listener.address, factory=Recorders(), insecure=True, alpn=["other"])
    assert failed.value.problem is Problem.WRONG_PROTOCOL
    await listener.close()
