"""Sessions: their states, their registry, and what a START may resume. No sockets, no clock (protocol §2, §5)."""

from quicgw_fast.session.catch_up import CatchUp, CatchUpState, ReadingEvent
from quicgw_fast.session.claim import MAX_OPENID, Attempts, StartClaim
from quicgw_fast.session.devices import NEWEST, DevicePolicy, Devices
from quicgw_fast.session.elsewhere import RequestElsewhere, WaitingRequest
from quicgw_fast.session.groups import LONGEST_NAME, MOST_OF_A_SESSION, Group, GroupIndex, is_member
from quicgw_fast.session.heard import Heard, HeardOf
from quicgw_fast.session.losses import UntoldLosses, gap_to_tell
from quicgw_fast.session.notify_count import NO_NOTIFIES, NotifyCount
from quicgw_fast.session.packing import VERSION, pack
from quicgw_fast.session.parcels import ACKNOWLEDGED, PENDING, Asker, Fate, Parcel, ParcelBook, lost
from quicgw_fast.session.records import next_record, revive
from quicgw_fast.session.registry import Registry
from quicgw_fast.session.replica import Record, Replica
from quicgw_fast.session.resume import Gap, ResumeDecision, decide
from quicgw_fast.session.session import Session
from quicgw_fast.session.states import Action, Event, Login, SessionState
from quicgw_fast.session.trail import DOWN, UP, EntryKind, shown
from quicgw_fast.session.unpacking import ArrivedSession, UnreadableSession, read, unpack

__all__ = [
    "ACKNOWLEDGED",
    "DOWN",
    "LONGEST_NAME",
    "MAX_OPENID",
    "MOST_OF_A_SESSION",
    "NEWEST",
    "NO_NOTIFIES",
    "PENDING",
    "UP",
    "VERSION",
    "Action",
    "ArrivedSession",
    "Asker",
    "Attempts",
    "CatchUp",
    "CatchUpState",
    "DevicePolicy",
    "Devices",
    "EntryKind",
    "Event",
    "Fate",
    "Gap",
    "Group",
    "GroupIndex",
    "Heard",
    "HeardOf",
    "Login",
    "NotifyCount",
    "Parcel",
    "ParcelBook",
    "ReadingEvent",
    "Record",
    "Registry",
    "Replica",
    "RequestElsewhere",
    "ResumeDecision",
    "Session",
    "SessionState",
    "StartClaim",
    "UnreadableSession",
    "UntoldLosses",
    "WaitingRequest",
    "decide",
    "gap_to_tell",
    "is_member",
    "lost",
    "next_record",
    "pack",
    "read",
    "revive",
    "shown",
    "unpack",
]
