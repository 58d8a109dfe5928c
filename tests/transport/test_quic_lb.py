"""Connection ids that a load balancer can read: the draft's own examples, and what listeners hand out."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import PortShare, shared_sockets
from quicgw_fast.transport.connection_ids import Lane, routable_ids
from quicgw_fast.transport.quic_lb import UNROUTABLE, QuicLb, Routed, first_bytes
from tests.support.gatekeeper import gatekeeper
from tests.support.quic_lb import Balancer, Reader

from .helpers import HOST, RawClient, Recorders, dial, listen, listening, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quicgw_fast.transport import Listener

Identity = tuple[Path, Path]

KEY = bytes.fromhex("8f95f09245765f80256934e50c66207f")
"""Of the draft's test vectors, which are public."""


def scheme(config_id: int, server_id: str, nonce_length: int, key: bytes | None = KEY) -> QuicLb:
    return QuicLb(config_id, bytes.fromhex(server_id), nonce_length, key)


def reader(of: QuicLb) -> Reader:
    return Reader(of.config_id, len(of.server_id), of.nonce_length, of.key)


SCHEMES = {
    "not encrypted": scheme(0, "0a01", 4, None),
    "shortest": scheme(5, "0a", 4),
    "single pass": scheme(1, "0a01", 14),
    "odd": scheme(6, "0a0102", 8),
    "longest": scheme(2, "0a010203040506070809", 9),
}
every_scheme = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)


# The format


@pytest.mark.parametrize(
    ("server_id", "nonce", "key", "cid"),
    [
        ("c4605e", "4504cc4f", None, "07c4605e4504cc4f"),
        ("31441a", "9c69c275", "fdf726a9893ec05c0632d3956680baf0", "0767947d29be054a"),
        ("ed793a", "ee080dbf", KEY.hex(), "0720b1d07b359d3c"),
        ("ed793a51d49b8f5fab65", "ee080dbf48", KEY.hex(), "2fcc381bc74cb4fbad2823a3d1f8fed2"),
        ("ed793a51d49b8f5f", "ee080dbf48c0d1e5", KEY.hex(), "504dd2d05a7b0de9b2b9907afb5ecf8cc3"),
        ("ed793a51d49b8f5fab", "ee080dbf48c0d1e55d", KEY.hex(), "125779c9cc86beb3a3a4a3ca96fce4bfe0cdbc"),
    ],
)
def test_the_drafts_own_examples(server_id: str, nonce: str, key: str | None, cid: str) -> None:
    """Of its appendix and its section on encryption, but for one that is misprinted: its nonce has half a byte."""
    known = bytes.fromhex(cid)
    made = QuicLb(known[0] >> 5, bytes.fromhex(server_id), len(nonce) // 2, key and bytes.fromhex(key))
    assert made.encode(known[:1], bytes.fromhex(nonce)) == known
    assert made.decode(known) == Routed(bytes.fromhex(server_id), bytes.fromhex(nonce))
    assert reader(made).plain(known) == bytes.fromhex(server_id + nonce)


@given(st.data(), st.integers(0, 6), st.integers(1, 15), st.none() | st.binary(min_size=16, max_size=16))
def test_what_is_made_can_be_read_also_by_others(
    data: st.DataObject, config: int, size: int, key: bytes | None
) -> None:
    server_id = data.draw(st.binary(min_size=size, max_size=size))
    nonce = data.draw(st.binary(min_size=4, max_size=19 - size))
    made = QuicLb(config, server_id, len(nonce), key)
    cid = made.encode(bytes((data.draw(st.sampled_from(first_bytes(config))),)), nonce)
    assert len(cid) == made.length <= 20
    assert made.decode(cid) == made.decode(cid + b"more") == Routed(server_id, nonce)
    assert reader(made).plain(cid) == server_id + nonce
    assert made.decode(cid[:-1]) is None
    assert made.decode(bytes((cid[0] ^ 0x20,)) + cid[1:]) is None


def test_a_key_is_not_shown() -> None:
    assert KEY.hex() not in repr(SCHEMES["odd"])
    assert repr(KEY) not in repr(SCHEMES["odd"])


# What a gateway makes of it


@every_scheme
@pytest.mark.parametrize("of", [1, 3, 32])
def test_no_nonce_comes_twice_and_each_process_has_its_own(scheme: QuicLb, of: int) -> None:
    read = reader(scheme)
    made: set[bytes] = set()
    nonces: list[bytes] = []
    for index in range(of):
        ids = routable_ids(scheme, Lane(index, of))
        issued = [ids.make() for _ in range(20)]
        assert {cid[0] % of for cid in issued} == {index}
        assert {(read.server_id(cid), len(cid)) for cid in issued} == {(scheme.server_id, ids.length)}
        made.update(issued)
        nonces += [plain[len(scheme.server_id) :] for cid in issued if (plain := read.plain(cid)) is not None]
    assert len(made) == 20 * of
    if scheme.key is not None:
        assert len(set(nonces)) == 20 * of
        assert len({int.from_bytes(nonce, "big") % of for nonce in nonces}) == of


def test_a_nonce_that_can_be_read_shows_no_order() -> None:
    ids = routable_ids(SCHEMES["not encrypted"])
    nonces = [int.from_bytes(ids.make()[3:], "big") for _ in range(200)]
    steps = {after - before for before, after in itertools.pairwise(nonces)}
    assert len(steps) > 190


def test_ids_without_a_nonce_that_is_left_name_nobody(caplog: pytest.LogCaptureFixture) -> None:
    ids = routable_ids(SCHEMES["odd"], Lane(3, 32))
    ids.make.__self__._left = 2  # type: ignore[attr-defined]  # of some 10^17
    assert [reader(SCHEMES["odd"]).server_id(ids.make()) for _ in range(3)] == [*2 * [SCHEMES["odd"].server_id], None]
    unroutable = ids.make()
    assert (unroutable[0] >> 5, unroutable[0] % 32, len(unroutable)) == (UNROUTABLE, 3, ids.length)
    (record,) = caplog.records
    assert record.getMessage() == "nonces used up"


# Listeners


def ids_known_to(client: RawClient) -> set[bytes]:
    """The ids by which a client may call its connection."""
    quic = client.quic
    return {quic._peer_cid.cid, *(each.cid for each in quic._peer_cid_available)}


async def greeted(client: RawClient) -> RawClient:
    """It has its connection, and some ids in reserve."""
    await client.connected()
    client.send(b"hello")
    await client.received(5)
    await until(lambda: len(ids_known_to(client)) > 2)
    return client


@every_scheme
async def test_every_id_of_a_connection_names_its_gateway(identity: Identity, maker: str, scheme: QuicLb) -> None:
    read, seen = reader(scheme), set[bytes]()

    def heard_of_more() -> bool:
        before = len(seen)
        seen.update(ids_known_to(client))
        return len(seen) > before

    async with (
        listening(identity, Recorders(echo=True), scheme=scheme) as listener,
        RawClient(listener.address) as client,
    ):
        await greeted(client)
        assert heard_of_more()
        for number in range(2, 14):
            client.quic.change_connection_id()
            client.send(b"again")
            assert await client.received(5 * number) == b"hello" + b"again" * (number - 1)
            await until(heard_of_more)
    assert len(seen) > 12
    assert {(read.server_id(cid), len(cid)) for cid in seen} == {(scheme.server_id, scheme.length)}
    assert len({read.plain(cid) for cid in seen}) == len(seen)


@pytest.mark.parametrize("name", ["shortest", "longest"])
async def test_a_retry_names_the_gateway_that_knows_its_token(identity: Identity, maker: str, name: str) -> None:
    gate = gatekeeper(retry_above=0)
    async with (
        listening(identity, Recorders(echo=True), gatekeeper=gate, scheme=SCHEMES[name]) as listener,
        RawClient(listener.address) as client,
    ):
        await greeted(client)
        assert client.retried
        source = client.quic._retry_source_connection_id
        assert source is not None
        assert reader(SCHEMES[name]).server_id(source) == SCHEMES[name].server_id


@pytest.mark.parametrize("name", ["shortest", "longest"])
async def test_a_restarted_gateway_tells_its_old_clients(identity: Identity, maker: str, name: str) -> None:
    certificate, private = identity
    key, server, client = b"r" * 32, Recorders(echo=True), Recorders()
    options = {"certificate": certificate, "private_key": private, "factory": server, "reset_key": key}
    old = await listen(HOST, 0, scheme=SCHEMES[name], **options)
    connection = await dial(*old.address, factory=client, insecure=True)
    connection.send(b"hello")
    await until(lambda: client[0].data == b"hello")
    server[0].connection.abort(0, "", tell_peer=False)
    await old.close()
    new = await listen(*old.address, scheme=SCHEMES[name], **options)
    connection.send(b"anybody there? " * 4)
    assert (await client[0].end())[::2] == (CloseCode.INTERNAL, True)
    await connection.wait_closed()
    await new.close()


@pytest.mark.parametrize("name", ["not encrypted", "single pass", "odd"])
async def test_a_client_whose_address_changes_stays_at_its_gateway(identity: Identity, maker: str, name: str) -> None:
    """A balancer without a table finds it, by an id that the client used and by one that nobody has seen."""
    scheme = SCHEMES[name]
    foreign = replace(scheme, server_id=bytes(len(scheme.server_id)))
    first, second = Recorders(echo=True), Recorders(echo=True)
    async with (
        listening(identity, first, scheme=scheme) as here,
        listening(identity, second, scheme=foreign) as there,
        Balancer(reader(scheme), {scheme.server_id: here.address, foreign.server_id: there.address}) as balancer,
    ):
        async with RawClient(balancer.address) as one, RawClient(balancer.address) as other:
            await greeted(one)
            await greeted(other)
            other.quic.change_connection_id()
            for client in (other, one):
                assert balancer.strays == 0
                client.rebind()
                client.send(b" moved")
                assert await client.received(11) == b"hello moved"
                assert balancer.strays == 1, "by its address alone it had come to the other gateway"
                balancer.strays = 0
            assert (len(first), len(second)) == (1, 1)
        await until(lambda: here.connections == there.connections == 0)


@contextlib.asynccontextmanager
async def workers(identity: Identity, number: int, scheme: QuicLb) -> AsyncIterator[list[Listener]]:
    """So many listeners behind one port, as workers are."""
    listeners: list[Listener] = []
    async with contextlib.AsyncExitStack() as stack:
        for index, sock in enumerate(await shared_sockets(HOST, 0, number)):
            share = PortShare.of_group(sock, index, number)
            listening_there = listening(identity, Recorders(echo=True), scheme=scheme, share=share)
            listeners.append(await stack.enter_async_context(listening_there))
        yield listeners


async def test_a_client_stays_at_its_worker_too(identity: Identity, maker: str) -> None:
    chosen = SCHEMES["odd"]
    async with workers(identity, 3, chosen) as listeners, contextlib.AsyncExitStack() as stack:
        clients: list[RawClient] = []
        while not all(listener.connections for listener in listeners):
            assert len(clients) < 64
            clients.append(await greeted(await stack.enter_async_context(RawClient(listeners[0].address))))
        shares = [listener.connections for listener in listeners]
        for client in clients:
            assert {reader(chosen).server_id(cid) for cid in ids_known_to(client)} == {chosen.server_id}
            assert len({cid[0] % 3 for cid in ids_known_to(client)}) == 1
            client.quic.change_connection_id()
            client.rebind()
            client.send(b" moved")
            assert await client.received(11) == b"hello moved"
        assert [listener.connections for listener in listeners] == shares
