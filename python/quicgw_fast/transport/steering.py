"""Several processes on one UDP port: each datagram goes to the process whose number is in its connection id.

Linux lets sockets share a port (``SO_REUSEPORT``), keeps them in the order in which they were bound, and may ask a
classic BPF program which of them gets a datagram. Ours reads the first byte of the destination connection id, where
every version of QUIC has it (RFC 8999 §5), and takes the remainder by the number of sockets. Whoever issues ids begins
them with a byte that leads to itself; the id that a client chose for its first packets is random, so that newcomers
spread, and all packets of one handshake go one way. Neither a client's change of address nor a key makes a difference,
and no process has to hand datagrams to another one.

The order is that of the sockets and not of the processes: when one is closed, the last takes its place. So the sockets
belong to whoever starts the processes, and outlive each of them.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quicgw_fast.errors import StartupError
from quicgw_fast.transport.packets import CID_LENGTH
from quicgw_fast.transport.sockets import listening_socket

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_SHARING: Final = 64
"""Sockets of one port: of the 256 values of a byte each gets four at least, so that the shares are nearly equal."""

SO_ATTACH_REUSEPORT_CBPF: Final = 51
"""Linux's name of the option (socket(7)); Python has none."""

_LOAD_BYTE, _JUMP, _JUMP_IF_SET, _REMAINDER, _RETURN = 0x30, 0x05, 0x45, 0x94, 0x16
"""Of the classic BPF machine: ``ldb [k]``, ``ja k``, ``jset #k``, ``mod #k``, ``ret a``."""


@dataclass(frozen=True, slots=True)
class PortShare:
    """What one process has of a shared port."""

    socket: socket.socket
    index: int
    """Its place in the order of the sockets, from 0."""
    of: int
    """How many share the port."""

    @property
    def connection_ids(self) -> Callable[[], bytes]:
        """What makes connection ids that lead to this process, and that nobody can guess or tell from another."""
        return lambda: steered_id(self.index, self.of)


async def shared_sockets(host: str, port: int, number: int) -> list[socket.socket]:
    """Bind so many UDP sockets to one address (port 0: any free one), and have datagrams find theirs.

    Raises StartupError as ``listening_socket`` does, also when another process shares the port already, and where the
    system cannot steer datagrams.
    """
    sockets: list[socket.socket] = []
    try:
        # Alone at first: who binds with the option joins whatever group is there, and port 0 may find one.
        sockets.append(await listening_socket(host, port))
        _share(sockets[0])
        bound = sockets[0].getsockname()[1]
        while len(sockets) < number:
            sockets.append(await listening_socket(host, bound, before=_share))
        _steer(sockets[0], number)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def steered_id(index: int, of: int) -> bytes:
    """Make a random connection id that leads to the process ``index`` of so many."""
    first, *rest = os.urandom(CID_LENGTH)
    values = (256 - index + of - 1) // of
    return bytes((first % values * of + index, *rest))


def steered_to(datagram: bytes, of: int) -> int:
    """Say to which process of so many a datagram goes, as the program does; 0 for one that is too short to tell."""
    at = 6 if datagram[:1] >= b"\x80" else 1
    return datagram[at] % of if len(datagram) > at else 0


def _share(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def _steer(sock: socket.socket, number: int) -> None:
    # What cannot be loaded, as the datagram is too short, returns 0: such a datagram is of no use to anybody.
    steps = (
        (_LOAD_BYTE, 0, 0, 0),
        (_JUMP_IF_SET, 0, 2, 0x80),  # a long header has the version and the id's length before the id
        (_LOAD_BYTE, 0, 0, 6),
        (_JUMP, 0, 0, 1),
        (_LOAD_BYTE, 0, 0, 1),
        (_REMAINDER, 0, 0, number),
        (_RETURN, 0, 0, 0),
    )
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    try:
        option = struct.pack("@HP", len(steps), ctypes.addressof(program))
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, option)
    except OSError as error:
        raise StartupError(
            f"several processes cannot share a UDP port here ({error.strerror}): "
            "that needs Linux; set server.workers = 1"
        ) from error
