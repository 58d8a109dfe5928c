"""Datagrams on a port that several sockets share, against the kernel's own program."""

from __future__ import annotations

import os
import select
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.errors import StartupError
from quicgw_fast.transport import MOST_SHARING, PortShare, Succeeded, shared_sockets
from quicgw_fast.transport.connection_ids import Lane, random_ids
from quicgw_fast.transport.packets import CID_LENGTH
from quicgw_fast.transport.sockets import listening_socket
from quicgw_fast.transport.steering import MARKS, steered_to

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
LONG = b"\xc3\x00\x00\x00\x01\x08"
"""Before the destination connection id of a long header."""
SHORT = b"\x43"


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        yield sock


def taker(sockets: list[socket.socket], datagram: bytes) -> int:
    """Which socket got the datagram."""
    ready, _, _ = select.select(sockets, [], [], 20)
    (one,) = ready
    assert one.recv(2048) == datagram
    return sockets.index(one)


@pytest.mark.parametrize("number", [2, 3, 5, MOST_SHARING])
async def test_each_datagram_goes_where_its_connection_id_says(number: int, sender: socket.socket) -> None:
    sockets = await shared_sockets(HOST, 0, number)
    try:
        address = sockets[0].getsockname()
        for index in range(number):
            for header in (LONG, SHORT):
                datagram = header + random_ids(Lane(index, number)).make() + os.urandom(40)
                sender.sendto(datagram, address)
                assert taker(sockets, datagram) == index
        for length in range(12):  # too short to have an id, some of them
            for first in (0x40, 0xC0):
                datagram = bytes((first, *os.urandom(length)))
                sender.sendto(datagram, address)
                assert taker(sockets, datagram) == steered_to(datagram, number)
    finally:
        for sock in sockets:
            sock.close()


async def test_what_a_client_chose_leads_to_one_socket_also_from_another_port(sender: socket.socket) -> None:
    sockets = await shared_sockets(HOST, 0, 3)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as moved:
            for _ in range(50):
                datagram = LONG + os.urandom(20)
                takers = set()
                for sock in (sender, moved):
                    sock.sendto(datagram, sockets[0].getsockname())
                    takers.add(taker(sockets, datagram))
                assert len(takers) == 1
    finally:
        for sock in sockets:
            sock.close()


@given(st.integers(1, MOST_SHARING), st.data())
def test_an_id_is_of_the_right_length_and_leads_back(number: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, number - 1))
    made = random_ids(Lane(index, number)).make()
    assert len(made) == CID_LENGTH
    assert steered_to(SHORT + made, number) == steered_to(LONG + made, number) == index


def test_ids_are_as_random_as_they_can_be() -> None:
    ids = random_ids(Lane(1, 3))
    made = {ids.make() for _ in range(1000)}
    assert len(made) == 1000
    assert {each[0] for each in made} == set(range(1, 256, 3))


async def test_a_port_that_others_share_is_refused() -> None:
    sockets = await shared_sockets(HOST, 0, 2)
    try:
        port = sockets[0].getsockname()[1]
        with pytest.raises(StartupError, match="another process has this port"):
            await shared_sockets(HOST, port, 2)
        with pytest.raises(StartupError, match="another process has this port"):
            await listening_socket(HOST, port)
    finally:
        for sock in sockets:
            sock.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_nothing_stays_open_when_a_port_is_refused() -> None:
    taken = await listening_socket(HOST, 0)
    before = open_files()
    with taken, pytest.raises(StartupError):
        await shared_sockets(HOST, taken.getsockname()[1], 4)
    assert open_files() == before - 1


async def test_a_successor_gets_what_is_new_and_then_what_belongs_to_handshakes(sender: socket.socket) -> None:
    """Its predecessor keeps what has its mark; whoever is alone gets everything."""
    with await listening_socket(HOST, 0) as first:
        steering, second = await Succeeded.bind(first, 7)
        sockets, address = [first, second], first.getsockname()

        def takes(header: bytes, mark: int) -> int:
            datagram = header + bytes((mark,)) + os.urandom(30)
            sender.sendto(datagram, address)
            return taker(sockets, datagram)

        with second:
            asked = [(header, mark) for header in (LONG, SHORT) for mark in (0, 7 + MARKS, 8, 255)]
            assert [takes(*each) for each in asked] == [0] * 8, "as if it were alone"
            steering.give_newcomers()
            assert [takes(*each) for each in asked] == [1, 0, 1, 1] * 2
            steering.give_handshakes()
            assert [takes(*each) for each in asked] == [1, 1, 1, 1, 1, 0, 1, 1]
            steering.take_back()
            assert [takes(*each) for each in asked] == [0] * 8
            steering.give_newcomers()
        sockets = [first]
        assert [takes(*each) for each in asked] == [0] * 8, "the successor died"

        steering, second = await Succeeded.bind(first, 7)
        with second:
            steering.give_newcomers()
            first.close()
            sockets = [second]
            assert [takes(*each) for each in asked] == [0] * 8, "the predecessor has ended"


def test_ids_of_a_process_have_its_mark(sender: socket.socket) -> None:
    ids = random_ids(PortShare.marked(sender, 20).lane)
    made = {ids.make() for _ in range(1000)}
    assert len(made) == 1000
    assert {each[0] for each in made} == set(range(20, 256, MARKS))


async def test_what_comes_before_a_successor_is_known_is_not_given_to_it(sender: socket.socket) -> None:
    with await listening_socket(HOST, 0) as first:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reuse = lambda sock: sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # noqa: E731
        with await listening_socket(HOST, first.getsockname()[1], before=reuse) as second:
            for _ in range(50):  # by a hash of the sender's port: some go astray
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                    other.sendto(SHORT + os.urandom(30), first.getsockname())
            Succeeded(first, 1, second)
            assert select.select([second], [], [], 0) == ([], [], [])
