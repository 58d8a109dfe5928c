"""Sessions: their states, their registry, and what a START may resume. No sockets, no clock (protocol §2, §5)."""

from quicgw_fast.session.handover import Losses, settle
from quicgw_fast.session.notifies import NOTHING, Notifies
from quicgw_fast.session.registry import Registry
from quicgw_fast.session.resume import Claim, Gap, Verdict, decide
from quicgw_fast.session.session import Session, note_attempt
from quicgw_fast.session.states import Event, State

__all__ = [
    "NOTHING",
    "Claim",
    "Event",
    "Gap",
    "Losses",
    "Notifies",
    "Registry",
    "Session",
    "State",
    "Verdict",
    "decide",
    "note_attempt",
    "settle",
]
