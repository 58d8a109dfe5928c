"""Each maker against aioquic as its authors drive it, without any of our code: as a client, and as a server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamDataReceived
from aioquic.quic.packet import QuicProtocolVersion
from aioquic.tls import Epoch, SessionTicket

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import ConnectFailed, TransportLimits, makers
from tests.support.gatekeeper import gatekeeper
from tests.support.impairment import Impairment
from tests.support.udp_proxy import UdpProxy

from .helpers import HOST, Recorder, Recorders, dial, listening, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aioquic.quic.connection import QuicConnection

    from quicgw_fast.transport import Connection

pytestmark = pytest.mark.usefixtures("maker")

Identity = tuple[Path, Path]
LOSS = Impairment(loss=0.1)
MUCH = bytes(range(256)) * (16 << 10)
"""4 MiB."""
V1, V2 = QuicProtocolVersion.VERSION_1, QuicProtocolVersion.VERSION_2


class Stock(QuicConnectionProtocol):
    """The protocol of aioquic as its examples extend it; a server's gives back what comes."""

    def __init__(self, quic: QuicConnection, stream_handler: Any = None) -> None:
        super().__init__(quic, stream_handler)
        self.quic = quic
        self.data = bytearray()
        self.end: ConnectionTerminated | None = None

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated):
            self.end = event
        elif isinstance(event, StreamDataReceived):
            self.data += event.data
            if not self.quic.configuration.is_client:
                self.quic.send_stream_data(event.stream_id, event.data)

    async def echo(self, data: bytes) -> None:
        """Send bytes, which must come back."""
        before = len(self.data)
        self.quic.send_stream_data(0, data)
        self.transmit()
        await until(lambda: len(self.data) >= before + len(data), timeout=40)
        assert self.data[before:] == data

    @property
    def key_phase(self) -> int:
        return self.quic._cryptos[Epoch.ONE_RTT].key_phase

    @property
    def early_data(self) -> bool:
        return self.quic.tls.early_data_accepted


@contextlib.asynccontextmanager
async def stock_client(
    address: tuple[str, int], ticket: Callable[[SessionTicket], None] | None = None, **options: Any
) -> AsyncIterator[Stock]:
    """A client of aioquic that trusts everybody; ``ticket`` is told the session tickets that it gets."""
    configuration = QuicConfiguration(alpn_protocols=["gatesvr"], verify_mode=ssl.CERT_NONE, **options)
    async with connect(
        *address[:2], configuration=configuration, create_protocol=Stock, session_ticket_handler=ticket
    ) as client:
        assert isinstance(client, Stock)
        yield client


class StockServer:
    """A server of aioquic; ``tickets`` are those that it gave."""

    def __init__(self, server: QuicServer, tickets: dict[bytes, SessionTicket]) -> None:
        self.tickets = tickets
        self.transport = server._transport
        self.address: tuple[str, int] = self.transport.get_extra_info("sockname")
        self._server = server

    @property
    def connections(self) -> list[Stock]:
        return [one for one in dict.fromkeys(self._server._protocols.values()) if isinstance(one, Stock)]


@contextlib.asynccontextmanager
async def stock_server(identity: Identity, *, retry: bool = False, **options: Any) -> AsyncIterator[StockServer]:
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["gatesvr"], **options)
    configuration.load_cert_chain(*identity)
    tickets: dict[bytes, SessionTicket] = {}
    server = await serve(
        HOST,
        0,
        configuration=configuration,
        create_protocol=Stock,
        retry=retry,
        session_ticket_fetcher=tickets.get,
        session_ticket_handler=lambda ticket: tickets.__setitem__(ticket.ticket, ticket),
    )
    try:
        yield StockServer(server, tickets)
    finally:
        server.close()
        await asyncio.sleep(0)  # the socket is closed in the loop's next turn


@contextlib.asynccontextmanager
async def dialed(address: Any, **options: Any) -> AsyncIterator[tuple[Connection, Recorder]]:
    client = Recorders()
    connection = await dial(address[0], address[1], factory=client, insecure=True, timeout=40, **options)
    try:
        yield connection, client[0]
    finally:
        connection.abort(0, "NORMAL")
        await connection.wait_closed()


async def assert_echo(connection: Connection, recorder: Recorder, data: bytes) -> None:
    before = len(recorder.data)
    connection.send(data)
    await until(lambda: len(recorder.data) >= before + len(data), timeout=40)
    assert recorder.data[before:] == data


# As a client


async def test_a_stock_client_gets_its_bytes_back(identity: Identity) -> None:
    async with listening(identity, Recorders(echo=True)) as listener, stock_client(listener.address) as client:
        for number in range(20):
            await client.echo(b"message %d" % number)
        await client.echo(MUCH)


async def test_many_stock_clients(identity: Identity) -> None:
    async def one(number: int) -> None:
        async with stock_client(listener.address) as client:
            for turn in range(5):
                await client.echo(b"%d/%d" % (number, turn))

    async with listening(identity, Recorders(echo=True)) as listener:
        async with asyncio.TaskGroup() as group:
            for number in range(40):
                group.create_task(one(number))
        assert listener.counters.established == 40
        await until(lambda: listener.connections == 0)


async def test_a_stock_client_and_a_network_that_loses(identity: Identity) -> None:
    async with (
        listening(identity, Recorders(echo=True)) as listener,
        UdpProxy(listener.address, seed=3, up=LOSS, down=LOSS) as proxy,
        stock_client(proxy.address) as client,
    ):
        await client.echo(MUCH[: 256 << 10])


@pytest.mark.parametrize("code", [CloseCode.NORMAL, CloseCode.KICKED, CloseCode.DRAINING])
async def test_a_stock_client_is_told_why_it_is_closed(identity: Identity, code: CloseCode) -> None:
    server = Recorders()
    async with listening(identity, server) as listener, stock_client(listener.address) as client:
        (await server.first()).connection.close(code, code.phrase("as told"))
        await client.wait_closed()
        assert client.end is not None
        assert (client.end.error_code, client.end.frame_type) == (code, None)
        assert client.end.reason_phrase == code.phrase("as told")


async def test_what_a_stock_client_says_at_its_end(identity: Identity) -> None:
    server = Recorders()
    async with listening(identity, server) as listener, stock_client(listener.address) as client:
        recorder = await server.first()
        client.close(error_code=7, reason_phrase="bye")
        assert await recorder.end() == (7, "bye", True)


async def test_a_stock_client_proves_its_address(identity: Identity) -> None:
    gate = gatekeeper(retry_above=0)
    async with (
        listening(identity, Recorders(echo=True), gatekeeper=gate) as listener,
        stock_client(listener.address) as client,
    ):
        assert listener.counters.retries == 1
        await client.echo(b"hello")


async def test_a_stock_client_that_begins_with_another_version(identity: Identity, maker: str) -> None:
    async with (
        listening(identity, Recorders(echo=True)) as listener,
        stock_client(listener.address, supported_versions=[V2, V1]) as client,
    ):
        assert client.quic._version in makers.load(maker).VERSIONS
        assert listener.counters.version_negotiations == (V2 not in makers.load(maker).VERSIONS)
        await client.echo(b"hello")


async def test_a_stock_client_changes_its_keys(identity: Identity) -> None:
    async with listening(identity, Recorders(echo=True)) as listener, stock_client(listener.address) as client:
        for number in range(1, 4):
            client.request_key_update()
            await client.echo(b"after the update")
            assert client.key_phase == number % 2


async def test_a_stock_client_that_moves(identity: Identity) -> None:
    """To a new socket, with a new connection id (RFC 9000 §9.5)."""
    server = Recorders(echo=True)
    async with listening(identity, server) as listener, stock_client(listener.address) as client:
        await client.echo(b"here")
        before = client._transport
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::ffff:" + HOST, 0))
        moved, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: client, sock=sock)
        client.change_connection_id()
        await client.echo(b"there")
        port = moved.get_extra_info("sockname")[1]
        await until(lambda: server[0].connection.peer == f"{HOST}:{port}")
        await client.echo(MUCH[: 64 << 10])
        assert listener.connections == 1
        assert before is not None
        before.close()
        client.close()
        await client.wait_closed()
        moved.close()


async def test_a_stock_client_is_offered_no_early_data(identity: Identity) -> None:
    tickets: list[SessionTicket] = []
    async with listening(identity, Recorders(echo=True)) as listener:
        async with stock_client(listener.address, tickets.append) as client:
            await client.echo(b"hello")
        assert not [ticket for ticket in tickets if ticket.max_early_data_size]
        for ticket in tickets[:1]:
            async with stock_client(listener.address, session_ticket=ticket) as client:
                assert not client.early_data


async def test_a_stock_client_that_says_nothing_for_too_long(identity: Identity) -> None:
    server = Recorders()
    async with (
        listening(identity, server, TransportLimits(idle_timeout=1.0)) as listener,
        stock_client(listener.address) as client,
    ):
        code, _, by_peer = await (await server.first()).end()
        assert (code, by_peer) == (CloseCode.IDLE, False)
        await client.wait_closed()
        await until(lambda: listener.connections == 0)


# As a server


async def test_a_stock_server_gives_bytes_back(identity: Identity) -> None:
    async with stock_server(identity) as server, dialed(server.address) as (connection, recorder):
        for number in range(20):
            await assert_echo(connection, recorder, b"message %d" % number)
        await assert_echo(connection, recorder, MUCH)
        await until(lambda: connection.pending == 0)


async def test_many_connections_to_a_stock_server(identity: Identity) -> None:
    async def one(number: int) -> None:
        async with dialed(server.address) as (connection, recorder):
            for turn in range(5):
                await assert_echo(connection, recorder, b"%d/%d" % (number, turn))

    async with stock_server(identity) as server, asyncio.TaskGroup() as group:
        for number in range(40):
            group.create_task(one(number))


async def test_a_stock_server_and_a_network_that_loses(identity: Identity) -> None:
    async with (
        stock_server(identity) as server,
        UdpProxy(server.address, seed=5, up=LOSS, down=LOSS) as proxy,
        dialed(proxy.address) as (connection, recorder),
    ):
        await assert_echo(connection, recorder, MUCH[: 256 << 10])


async def test_why_a_stock_server_closes_is_heard(identity: Identity) -> None:
    async with stock_server(identity) as server, dialed(server.address) as (connection, recorder):
        await assert_echo(connection, recorder, b"hello")
        server.connections[0].close(error_code=CloseCode.KICKED, reason_phrase="KICKED: as told")
        assert await recorder.end() == (CloseCode.KICKED, "KICKED: as told", True)


async def test_a_stock_server_hears_why_it_is_left(identity: Identity) -> None:
    async with stock_server(identity) as server, dialed(server.address) as (connection, recorder):
        await assert_echo(connection, recorder, b"hello")
        (ours,) = server.connections
        connection.close(5, "five")
        await until(lambda: ours.end)
        assert ours.end is not None
        assert (ours.end.error_code, ours.end.frame_type, ours.end.reason_phrase) == (5, None, "five")


async def test_a_stock_server_that_wants_the_address_proven(identity: Identity) -> None:
    async with stock_server(identity, retry=True) as server, dialed(server.address) as (connection, recorder):
        await assert_echo(connection, recorder, b"hello")
        assert server.connections[0].quic._retry_source_connection_id is not None


@pytest.mark.parametrize("version", [V1, V2])
async def test_a_stock_server_of_one_version(identity: Identity, maker: str, version: QuicProtocolVersion) -> None:
    async with stock_server(identity, supported_versions=[version]) as server:
        if version in makers.load(maker).VERSIONS:
            async with dialed(server.address) as (connection, recorder):
                await assert_echo(connection, recorder, b"hello")
        else:
            with pytest.raises(ConnectFailed, match="version"):
                await dial(*server.address, factory=Recorders(), insecure=True)


async def test_a_stock_server_changes_its_keys(identity: Identity) -> None:
    async with stock_server(identity) as server, dialed(server.address) as (connection, recorder):
        await assert_echo(connection, recorder, b"before")
        (ours,) = server.connections
        for number in range(1, 4):
            ours.request_key_update()
            await assert_echo(connection, recorder, b"after the update")
            assert ours.key_phase == number % 2


async def test_a_stock_server_whose_client_moves(identity: Identity) -> None:
    async with (
        stock_server(identity) as server,
        UdpProxy(server.address) as proxy,
        dialed(proxy.address) as (connection, recorder),
    ):
        for number in range(3):
            await assert_echo(connection, recorder, b"from the address number %d" % number)
            await proxy.rebind()
        await assert_echo(connection, recorder, MUCH[: 64 << 10])
        assert len(server.connections) == 1


async def test_no_early_data_to_a_stock_server_that_takes_it(identity: Identity) -> None:
    """Also not on a second connection, when a client may have a ticket of the first."""
    async with stock_server(identity) as server:
        for _ in range(2):
            async with dialed(server.address) as (connection, recorder):
                await assert_echo(connection, recorder, b"hello")
                assert not any(one.early_data for one in server.connections)


async def test_a_stock_server_that_is_silent_for_too_long(identity: Identity) -> None:
    async with (
        stock_server(identity, idle_timeout=1.0) as server,
        dialed(server.address, limits=TransportLimits(idle_timeout=30.0)) as (_, recorder),
    ):
        code, _, by_peer = await recorder.end()
        assert (code, by_peer) == (CloseCode.IDLE, False)


async def test_a_stock_server_that_forgot_the_connection(identity: Identity) -> None:
    """A stateless reset with the token that it gave in the handshake (RFC 9000 §10.3)."""
    async with stock_server(identity) as server, dialed(server.address) as (connection, recorder):
        await assert_echo(connection, recorder, b"hello")
        (ours,) = server.connections
        token = ours.quic._host_cids[0].stateless_reset_token
        server.transport.sendto(b"\x40" + os.urandom(60) + token, ours.quic._network_paths[0].addr)
        code, reason, by_peer = await recorder.end()
        assert (code, by_peer) == (CloseCode.INTERNAL, True)
        assert "no longer knows" in reason
