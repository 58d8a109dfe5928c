"""What a process gives to the one that follows it, as one argument of its command."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from quicgw_fast.errors import StartupError


@dataclass(frozen=True, slots=True)
class Estate:
    """The first four are descriptors, which both processes have open."""

    quic: int
    """A UDP socket on the port of the predecessor's."""
    grpc: int
    """The TCP socket that keeps the gRPC port theirs (``control.reserved_port``)."""
    admin: int
    """The TCP socket on which the admin pages listen."""
    line: int
    """Its end of the ``line`` between them."""
    mark: int
    """By which its connection ids are told from those of the predecessor (``transport.steering``)."""
    quic_address: str
    """This and the next two: where the predecessor was told to listen."""
    grpc_address: str
    admin_address: str
    folder: str
    """A folder of their own, with the Unix socket of each."""
    predecessor: str
    """What that is called there."""

    @classmethod
    def parse(cls, text: str) -> Estate:
        """Read what ``text`` wrote; raises StartupError for anything else."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise StartupError(f"--estate is given by a gateway to its successor: {error}") from error

    def text(self) -> str:
        """Write it as one argument of a command."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Those that the successor has to have open."""
        return self.quic, self.grpc, self.admin, self.line
