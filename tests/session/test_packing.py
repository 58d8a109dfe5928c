"""The bytes of a session: what is in them comes out again, and other releases are understood or refused."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast import backend
from quicgw_fast.proto import session_pb2 as pb
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.session import (
    DOWN,
    UP,
    VERSION,
    Attempts,
    EntryKind,
    Login,
    Parcel,
    ParcelBook,
    RequestElsewhere,
    Session,
    SessionState,
    UnreadableSession,
    WaitingRequest,
    pack,
    read,
    unpack,
)

if TYPE_CHECKING:
    from quicgw_fast.session import ArrivedSession

FORMATS = Path(__file__).parent / "formats"
NOW = 1000.0
THERE = 50.0
"""What the other process calls the same moment."""
EARLIER = NOW - THERE


def full() -> tuple[Session, list[RequestElsewhere], list[WaitingRequest]]:
    """A session that has something of everything, the same in every release."""
    outbox = backend.Outbox(after=40)
    session = Session("5" * 32, "zoë", "e" * 16, outbox, NOW - 3.0, state=SessionState.NORMAL)
    for seq in (1, 2, 3, 4):
        outbox.accept(seq)
    outbox.reply(1, 11, 3, 200, "ok", b"data", {"a": "1"})
    outbox.refuse(0, 400, "wrong seq_id", "", {})
    outbox.push(b"\x18\x03", True)
    outbox.push(b"\x18\x03")
    outbox.ack(41)
    book = session.parcels = ParcelBook(outbox)
    outbox.bind(2, True, b"\x18\x03", NOW + 60.0)
    outbox.bind(9, False, b"\x18\x03\x2a\x00", NOW + 30.0, 1)
    book.waits(Parcel(1, NOW + 5.0))
    outbox.hold(b"\x18\x03", 2)
    book.waits(Parcel(2, math.inf, "key"))
    session.handed, session.peer, session.gid, session.zone = 43, "[::1]:4433", "friends", "3"
    session.detached_at, session.since, session.expires_at = NOW - 1.0, NOW - 99.0, 1_900_000_000.5
    session.told_interval, session.allowance_full_at = 30, NOW + 2.0
    session.attempts = Attempts({"e" * 16: 7})
    session.groups = {"team": NOW + 5.0, "all": None}
    session.trail = deque(
        [
            (NOW - 2.0, UP, EntryKind.REQUEST, 1, 12, None, "", None),
            (NOW - 1.5, DOWN, EntryKind.REPLY, 41, 4, 0.5, 200, 1),
        ],
        8,
    )
    session.elsewhere = {2: RequestElsewhere(2, 12, "slow", is_login=False, until=NOW + 9.0, gateway="third")}
    request = UpstreamRequest(session_id=session.id, openid=session.openid, action="echo", client_seq_id=4)
    stays = [RequestElsewhere(3, 13, "hello", is_login=True, until=NOW + 8.0), *session.elsewhere.values()]
    comes = [WaitingRequest(request, 14, False, NOW - 0.5, NOW + 7.0, (("x-request-id", "5-4"),), 1100)]
    return session, stays, comes


def packed(**changes: Any) -> bytes:
    state = pb.SessionState.FromString(pack(*full(), NOW))
    for name, value in changes.items():
        getattr(state, name).extend(value) if isinstance(value, list) else setattr(state, name, value)
    return state.SerializeToString()


def unpacked(data: bytes) -> ArrivedSession:
    tickets = iter(range(101, 200))
    return unpack(read(data), "old", backend.Outbox(), lambda end, key: Parcel(next(tickets), end, key), THERE)


def check(data: bytes) -> None:
    """Bytes of any release that had all of it: nothing is lost."""
    before, stays, comes = full()
    session, parcels, waiting, groups, _ = unpacked(data)
    told = {field.name for field in dataclasses.fields(Session)}
    same = {"id", "openid", "epoch", "state", "window", "handed", "expires_at", "told_interval", "gid", "zone", "peer"}
    same |= {"spoken", "serial", "connection", "link", "moved", "request_bytes", "look_at"}
    for name in same:
        assert getattr(session, name) == getattr(before, name), name
    for name in ("last_activity", "since", "detached_at", "allowance_full_at"):
        assert getattr(session, name) == pytest.approx(getattr(before, name) - EARLIER), name
    assert session.login is Login.UNDER_WAY
    assert session.attempts.by_epoch == before.attempts.by_epoch
    assert [entry[1:] for entry in session.trail or ()] == [entry[1:] for entry in before.trail or ()]
    assert session.elsewhere == {
        each.client_seq: each._replace(until=each.until - EARLIER, gateway=each.gateway or "old") for each in stays
    }
    assert groups == {
        name: until if until is None else until - EARLIER for name, until in (before.groups or {}).items()
    }
    assert waiting == [
        each._replace(accepted_at=each.accepted_at - EARLIER, deadline=each.deadline - EARLIER) for each in comes
    ]
    assert [(parcel.ticket, parcel.expires_at, parcel.key) for parcel in parcels] == [
        (101, THERE + 5.0, ""),
        (102, math.inf, "key"),
    ]
    now, was = session.outbox.export(), before.outbox.export()
    assert now._replace(bound=[], held=[]) == was._replace(bound=[], held=[])
    assert [each.ticket for each in (*now.bound, *now.held)] == [0, 101, 102]
    assert [each.expires_at for each in now.bound] == [each.expires_at - EARLIER for each in was.bound]
    of_connections = {"crowded_since", "crowded_read", "crowded_cursor", "crowded_end", "cursor", "generation"}
    made_anew = {
        "parcels",
        "catch_up",
        "renewals",
        "allowance",
        "attempts",
        "outbox",
        "login",
        "elsewhere",
        "trail",
        "groups",
        "replica",
    }
    durations = {"last_activity", "since", "detached_at", "allowance_full_at"}
    assert told == same | of_connections | made_anew | durations, "a new field of a session: does it have to move?"


def test_what_is_packed_comes_out_again() -> None:
    check(packed())


@pytest.mark.parametrize("name", sorted(path.name for path in FORMATS.iterdir()))
def test_bytes_of_this_and_earlier_releases_are_understood(name: str) -> None:
    """Each version has its file, written once by ``write`` here; one that does not pass any more breaks a rollout."""
    check((FORMATS / name).read_bytes())


def test_each_version_has_its_file() -> None:
    assert {path.name for path in FORMATS.iterdir()} == {f"session-{number}.bin" for number in range(1, VERSION + 1)}


def test_what_a_later_release_added_is_left_out() -> None:
    unknown = b"\xfa\x3e\x03new"  # field 1007, bytes
    check(packed(version=VERSION + 1) + unknown)


def test_what_a_later_release_cannot_lose_is_refused() -> None:
    with pytest.raises(UnreadableSession, match=r"format 2 needs features \[7, 12\].*upgrade this gateway"):
        read(packed(version=2, required_features=[12, 7]))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no id, openid, epoch or outbox"),
        (b"\xff", "1 bytes are no session"),
        (packed()[:-1], "are no session"),
        (packed(openid=""), "no id, openid, epoch or outbox"),
        (packed(silent_for=math.nan), "contradicts itself: a duration of nan"),
        (packed(allowance_full_in=math.inf), "contradicts itself: a duration of inf"),
    ],
)
def test_what_is_no_session_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(UnreadableSession, match=told):
        unpacked(data)


def test_an_outbox_that_contradicts_itself_is_refused() -> None:
    state = pb.SessionState.FromString(packed())
    state.outbox.acked = 7
    with pytest.raises(UnreadableSession, match=f"session {'5' * 32} contradicts itself: a frame does not have its"):
        unpacked(state.SerializeToString())


def test_what_an_offline_store_gave_out_comes_along() -> None:
    session = Session("5" * 32, "alice", "e" * 16, backend.Outbox(), NOW)
    session.catch_up.sent(7, 1_800_000_000_000)
    session.catch_up.skipped(1_800_000_000_001)
    arrived, *_ = unpacked(pack(session, [], [], NOW))
    assert (arrived.catch_up.unacknowledged, arrived.catch_up.sent_up_to) == ({7: 1_800_000_000_000}, 1_800_000_000_001)


def test_nothing_is_written_of_what_a_session_does_not_have() -> None:
    """An idle session is small: there may be very many on their way."""
    session = Session("5" * 32, "alice", "e" * 16, backend.Outbox(), NOW)
    assert len(pack(session, [], [], NOW)) < 100


def write() -> None:
    """Keep the bytes of this release; called by hand when ``VERSION`` grows."""
    (FORMATS / f"session-{VERSION}.bin").write_bytes(packed())
