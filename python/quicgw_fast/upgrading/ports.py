"""The ports of a process, held so that they can go to the one that follows it."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.config import split_address
from quicgw_fast.control import AdminServer, reserved_port
from quicgw_fast.errors import ConfigError
from quicgw_fast.transport import PortShare, Succeeded
from quicgw_fast.transport.sockets import listening_socket
from quicgw_fast.transport.steering import MARKS
from quicgw_fast.upgrading.estate import Estate

if TYPE_CHECKING:
    from quicgw_fast.config import ServerConfig


class Bequeathed(NamedTuple):
    """What is made for a successor."""

    quic: socket.socket
    mark: int
    steering: Succeeded
    """Which of the two UDP sockets gets what."""


class HeldPorts:
    """One process has them from its start to its end; as ``workers.Seat`` it tells a gateway where to listen."""

    def __init__(
        self, quic: socket.socket, grpc: socket.socket, admin: socket.socket, mark: int, server: ServerConfig
    ) -> None:
        """Take the sockets; ``server`` is what the process was told."""
        self._quic = quic
        self._grpc = grpc
        self._admin = admin
        self._mark = mark
        self._server = server

    @classmethod
    async def open(cls, server: ServerConfig) -> HeldPorts:
        """Take all three; StartupError says what cannot be had, and then nothing is left open."""
        with contextlib.ExitStack() as held:
            quic = held.enter_context(await listening_socket(*split_address(server.quic)))
            grpc = held.enter_context(reserved_port(*split_address(server.grpc), "gRPC", "set server.grpc (--grpc)"))
            admin = held.enter_context(AdminServer.bind(*split_address(server.admin)))
            held.pop_all()
        return cls(quic, grpc, admin, 0, server)

    @classmethod
    def inherited(cls, estate: Estate, server: ServerConfig) -> HeldPorts:
        """Take over those of the predecessor; ConfigError where ``server`` says that it shall listen elsewhere."""
        for name in ("quic", "grpc", "admin"):
            before, now = getattr(estate, f"{name}_address"), getattr(server, name)
            if before != now:
                told = f'server.{name} = "{now}" needs a restart: the gateway that runs listens on {before}'
                raise ConfigError(f"{told}, which a successor takes over")
        quic, grpc, admin = (socket.socket(fileno=number) for number in (estate.quic, estate.grpc, estate.admin))
        return cls(quic, grpc, admin, estate.mark, server)

    # As a gateway needs it

    @property
    def shared(self) -> bool:
        """Whether others listen on the same gRPC port: for a while the successor does."""
        return True

    def share(self) -> PortShare:
        """What the listener of the process has of the UDP port."""
        return PortShare.marked(self._quic.dup(), self._mark)

    def grpc_address(self, server: ServerConfig) -> tuple[str, int]:
        """Where it listens for gRPC."""
        del server
        host, port = self._grpc.getsockname()[:2]
        return host, port

    def admin_address(self, server: ServerConfig) -> tuple[str, int]:
        """Where its admin pages are."""
        return split_address(server.admin)

    def admin_socket(self) -> socket.socket:
        """What its admin pages listen on; whoever gets it may close it."""
        return self._admin.dup()

    # As a successor needs it

    async def bequeath(self) -> Bequeathed:
        """Bind a second UDP socket, which gets nothing yet; StartupError where that cannot be."""
        steering, quic = await Succeeded.bind(self._quic, self._mark)
        return Bequeathed(quic, (self._mark + 1) % MARKS, steering)

    def estate(self, bequeathed: Bequeathed, line: socket.socket, folder: str, name: str) -> Estate:
        """Return all that a successor is given by the process ``name``; see there."""
        server = self._server
        return Estate(
            quic=bequeathed.quic.fileno(),
            grpc=self._grpc.fileno(),
            admin=self._admin.fileno(),
            line=line.fileno(),
            mark=bequeathed.mark,
            quic_address=server.quic,
            grpc_address=server.grpc,
            admin_address=server.admin,
            folder=folder,
            predecessor=name,
        )

    def close(self) -> None:
        """Let go of them."""
        for sock in (self._quic, self._grpc, self._admin):
            sock.close()
