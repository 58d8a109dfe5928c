"""What whoever runs a process brings along for an upgrade, from the one before it and for the one behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.upgrading.estate import Estate
    from quicgw_fast.upgrading.ports import HeldPorts


class Started(Protocol):
    """A process that was started."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def kill(self) -> None:
        """End it at once, if it has not ended."""

    def wait(self) -> int:
        """Wait for its end; its exit status, negative for a signal."""


@dataclass(frozen=True, slots=True)
class Heritage:
    """For a gateway that may have a successor, or is one."""

    pid: int
    """The process id."""
    ports: HeldPorts
    spawn: Callable[[Estate], Started]
    """Starts a successor, which has the descriptors of the estate when this returns; blocks, and raises OSError."""
    end: Callable[[], None]
    """Asks whoever runs the process to stop it."""
    owns: Callable[[], None]
    """Is told that this process is the gateway, and no other one any more; at most once."""
    gives_way: Callable[[int], None]
    """Is told the id of the process that is the gateway from now on."""
    estate: Estate | None = None
    """Of a predecessor; None for the first."""
