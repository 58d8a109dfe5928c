"""What one of several gateways on a machine is given by whoever started it, and what follows from that for it."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from quicgw_fast.config import split_address
from quicgw_fast.errors import StartupError
from quicgw_fast.transport import PortShare

if TYPE_CHECKING:
    from quicgw_fast.config import ServerConfig


@dataclass(frozen=True, slots=True)
class Seat:
    """The place of one worker. Without any it is alone, and listens where its configuration says."""

    index: int = 0
    of: int = 1
    quic: int = -1
    """The descriptor of its UDP socket, which was opened by the supervisor."""
    grpc: str = ""
    """Where all workers listen for gRPC; the system spreads connections over them."""
    lifeline: int = -1
    """The reading end of a pipe, by which the supervisor speaks to the worker (``line``)."""

    @classmethod
    def parse(cls, text: str) -> Seat:
        """Read what ``text`` wrote; raises StartupError for anything else."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise StartupError(f"--seat is given by quicgw serve --workers, to its own processes: {error}") from error

    def text(self) -> str:
        """Write it as one argument of a command."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @property
    def shared(self) -> bool:
        """Whether others listen on the same ports."""
        return self.quic >= 0

    def share(self) -> PortShare | None:
        """What it has of the shared UDP port; None for one that is alone. Takes the descriptor: call it once."""
        if not self.shared:
            return None
        return PortShare.of_group(socket.socket(fileno=self.quic), self.index, self.of)

    def grpc_address(self, server: ServerConfig) -> tuple[str, int]:
        """Where it listens for gRPC."""
        return split_address(self.grpc or server.grpc)

    def admin_address(self, server: ServerConfig) -> tuple[str, int]:
        """Where its own admin pages are: each worker has the next port, so that every one can be asked."""
        host, port = split_address(server.admin)
        return host, port + self.index if port else 0

    def admin_socket(self) -> None:
        """It is bound by whoever listens there."""

    def name(self, node: str) -> str:
        """Return what it is called among all nodes, where its machine is called ``node``."""
        return f"{node}-{self.index}" if self.shared else node

    def told(self) -> dict[str, int]:
        """By which a log line says that it is this worker's."""
        return {"worker": self.index} if self.shared else {}


ALONE: Final = Seat()
