"""Sessions: their states, their registry, and what a START may resume. No sockets, no clock (contract §2, §5)."""

from quicgw_fast.session.registry import Registry
from quicgw_fast.session.resume import Claim, Gap, Verdict, decide
from quicgw_fast.session.session import Session
from quicgw_fast.session.states import Event, State

__all__ = ["Claim", "Event", "Gap", "Registry", "Session", "State", "Verdict", "decide"]
