"""Several processes on one UDP port: each datagram goes to the process whose number is in its connection id.

Linux lets sockets share a port (``SO_REUSEPORT``), keeps them in the order in which they were bound, and may ask a
classic BPF program which of them gets a datagram. Ours reads the first byte of the destination connection id, where
every version of QUIC has it (RFC 8999 §5), and takes the remainder by the number of sockets. Whoever issues ids begins
them with a byte that leads to itself; the id that a client chose for its first packets is random, so that newcomers
spread, and all packets of one handshake go one way. Neither a client's change of address nor a key makes a difference,
and no process has to hand datagrams to another one.

The order is that of the sockets and not of the processes: when one is closed, the last takes its place. So the sockets
belong to whoever starts the processes, and outlive each of them.

Where one process follows another one on its port there are two sockets for a while (``Succeeded``). The first byte of
all ids of a process leaves its mark when it is divided by ``MARKS``, and the program gives packets with the mark of the
first to the first, and all others to its successor. When the first socket is closed the other one is alone, and gets
everything whatever the program says.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quicgw_fast.errors import StartupError
from quicgw_fast.transport.connection_ids import Lane
from quicgw_fast.transport.sockets import listening_socket

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Socket: TypeAlias = socket.socket
    """A name that a field of this name does not hide."""
    Step: TypeAlias = tuple[int, int, int, int]
    """An instruction of that machine: code, how far to jump if so and if not, number."""

MOST_SHARING: Final = 64
"""Sockets of one port: of the 256 values of a byte each gets four at least, so that the shares are nearly equal."""

MARKS: Final = 32
"""Of which each process takes the one behind its predecessor's: as many as five bits tell apart, since ids for a
balancer leave no more of their first byte to us (``connection_ids``)."""

SO_ATTACH_REUSEPORT_CBPF: Final = 51
"""Linux's name of the option (socket(7)); Python has none."""

_LOAD_BYTE, _JUMP, _JUMP_IF_EQUAL, _JUMP_IF_SET, _REMAINDER = 0x30, 0x05, 0x15, 0x45, 0x94
_RETURN, _RETURN_NUMBER = 0x16, 0x06
"""Of the classic BPF machine: ``ldb [k]``, ``ja k``, ``jeq #k``, ``jset #k``, ``mod #k``, ``ret a``, ``ret #k``."""


@dataclass(frozen=True, slots=True)
class PortShare:
    """What one process has of a shared port."""

    socket: Socket
    lane: Lane
    """Which connection ids lead to it."""

    @classmethod
    def of_group(cls, sock: Socket, index: int, of: int) -> PortShare:
        """That of the process with the socket number ``index``, from 0, of so many."""
        return cls(sock, Lane(index, of))

    @classmethod
    def marked(cls, sock: Socket, mark: int) -> PortShare:
        """That of a process with a mark, which shares its port with its successor one day."""
        return cls(sock, Lane(mark, MARKS))


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


def steered_to(datagram: bytes, of: int) -> int:
    """Say to which process of so many a datagram goes, as the program does; 0 for one that is too short to tell."""
    at = 6 if datagram[:1] >= b"\x80" else 1
    return datagram[at] % of if len(datagram) > at else 0


class Succeeded:
    """The socket of a process that has a successor on its port, and which of the two gets what.

    At first everything goes to the process that is there. Raises StartupError for what the system refuses.
    """

    def __init__(self, first: socket.socket, mark: int, successor: socket.socket) -> None:
        """``first`` is the older socket, and ``mark`` that of its process; both belong to the caller."""
        self._first = first
        self._mark = mark
        self._attach((_RETURN_NUMBER, 0, 0, 0))
        _empty(successor)

    @classmethod
    async def bind(cls, first: socket.socket, mark: int) -> tuple[Succeeded, socket.socket]:
        """Bind the second socket to the address of the first one."""
        host, port = first.getsockname()[:2]
        _share(first)
        successor = await listening_socket(host, port, before=_share)
        try:
            return cls(first, mark, successor), successor
        except BaseException:
            successor.close()
            raise

    def give_newcomers(self) -> None:
        """Whoever is new goes to the successor; connections stay, and those whose handshake goes on."""
        self._attach(
            (_LOAD_BYTE, 0, 0, 0),
            (_JUMP_IF_SET, 0, 2, 0x80),
            (_LOAD_BYTE, 0, 0, 6),
            (_JUMP, 0, 0, 1),
            (_LOAD_BYTE, 0, 0, 1),
            *self._told_by_mark(),
        )

    def give_handshakes(self) -> None:
        """So does whatever belongs to a handshake; one newcomer in ``MARKS`` had an id that looks like the first's."""
        self._attach(
            (_LOAD_BYTE, 0, 0, 0),
            (_JUMP_IF_SET, 4, 0, 0x80),  # to its end: the successor
            (_LOAD_BYTE, 0, 0, 1),
            *self._told_by_mark(),
        )

    def take_back(self) -> None:
        """Everything goes to the first again."""
        self._attach((_RETURN_NUMBER, 0, 0, 0))

    def _told_by_mark(self) -> Sequence[Step]:
        return (
            (_REMAINDER, 0, 0, MARKS),
            (_JUMP_IF_EQUAL, 0, 1, self._mark),
            (_RETURN_NUMBER, 0, 0, 0),
            (_RETURN_NUMBER, 0, 0, 1),
        )

    def _attach(self, *steps: Step) -> None:
        _attach(self._first, steps, "a successor cannot share the UDP port")


def _empty(sock: socket.socket) -> None:
    """Drop what came between the bind and the program: whose it is sends it again, to where it belongs."""
    sock.setblocking(False)
    while True:
        try:
            sock.recv(1)
        except BlockingIOError:
            return


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
    _attach(sock, steps, "several processes cannot share a UDP port here", "; set server.workers = 1")


def _attach(sock: socket.socket, steps: Sequence[Step], what: str, advice: str = "") -> None:
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    try:
        option = struct.pack("@HP", len(steps), ctypes.addressof(program))
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, option)
    except OSError as error:
        raise StartupError(f"{what} ({error.strerror}): that needs Linux{advice}") from error
