"""The gatekeeper of a gateway, for listeners without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicgw_fast.config import LimitsConfig
from quicgw_fast.observe import Metrics
from quicgw_fast.overload import make_gates

if TYPE_CHECKING:
    from quicgw_fast.overload import ConnectionGates


def gatekeeper(
    *, noise: tuple[float, int] | None = None, turning_away: tuple[float, int] | None = None, **limits: Any
) -> ConnectionGates:
    """The rules as they are configured by ``limits``, and two rates that are not configured."""
    rates = {"noise": noise, "turning_away": turning_away}
    written: dict[str, Any] = {name: rate for name, rate in rates.items() if rate is not None}
    return make_gates(LimitsConfig(**limits), Metrics(), **written).connections
