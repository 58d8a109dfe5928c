"""What whoever runs a process brings along for an upgrade, from the one before it and for the one behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.upgrading.estate import Estate
    from quicgw_fast.upgrading.ports import HeldPorts


@dataclass(frozen=True, slots=True)
class Heritage:
    """For a gateway that may have a successor, or is one."""

    ports: HeldPorts
    command: Sequence[str]
    """What starts a successor, when ``--estate`` is added to it."""
    end: Callable[[], None]
    """Asks whoever runs the process to stop it."""
    owns: Callable[[], None]
    """Is told that this process is the gateway, and no other one any more; at most once."""
    gives_way: Callable[[int], None]
    """Is told the id of the process that is the gateway from now on."""
    estate: Estate | None = None
    """Of a predecessor; None for the first."""
