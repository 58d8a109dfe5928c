"""What a run is to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicgw_fast.transport.trusted import Trusted


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What ``_core.LoadRun`` reads, field by field; times in seconds."""

    host: str
    """IP address of the gateway."""
    port: int
    server_name: str
    """The name that its certificate has to carry."""
    authorities: list[Trusted] | None
    """Certificates that may vouch for it; None: nothing is checked."""
    clients: list[tuple[str, str]]
    """Openid and token of each session."""
    sockets: int
    """UDP sockets, over which the sessions are spread."""
    in_flight: int
    """Requests that each session of a closed loop keeps under way."""
    rate: float | None
    """Requests a second in all, whatever comes back: an open loop. 0: sessions that only stay. None: a closed loop."""
    actions: list[tuple[str, int]]
    """Actions and their weights."""
    payloads: list[tuple[int, int]]
    """Bytes of data and their weights."""
    params: list[tuple[str, str]]
    """Parameters of every request."""
    ramp: float
    """The sessions begin spread over so long."""
    warm_up: float
    """Load before anything is measured."""
    duration: float
    """What is measured."""
    connect_timeout: float
    """A session that is not logged in after so long ends the run."""
    reply_timeout: float
    """At the end, requests have so long to get their replies."""
